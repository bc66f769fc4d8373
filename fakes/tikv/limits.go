package tikv

// tooLarge refuses what TiKV's storage or its raft log refuse, and answers it.
func (e *Engine) tooLarge(req *Request, resp *Response) bool {
	if e.opts.MaxKeySize == 0 && e.opts.RaftEntryMaxSize == 0 {
		return false
	}
	total := 0
	for i := range req.Mutations {
		m := &req.Mutations[i]
		if e.opts.MaxKeySize > 0 && len(m.Key) > e.opts.MaxKeySize {
			fail(resp, StatusKeyTooLarge, m.Key)
			return true
		}
		total += len(m.Key) + len(m.Value)
	}
	if e.opts.RaftEntryMaxSize > 0 && total > e.opts.RaftEntryMaxSize {
		resp.Region = RegionRaftEntryTooLarge
		return true
	}
	return false
}
