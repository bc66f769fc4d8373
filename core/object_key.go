package core

// The keys of objects. A key carries the epoch or generation of its writer,
// because object effects cannot be fenced (rule R1).

func stagingPrefix(output string, gen uint64) string {
	return output + "/staging/" + pad(gen, genDigits) + "/"
}

func stagingKey(output string, id batchID, uid string, epoch uint64) string {
	return stagingPrefix(output, id.gen()) + uid + "/e" + pad(epoch, genDigits) + "/episode"
}

// mergesPrefix is the common prefix of the datasets of all merges of one
// submission.
func mergesPrefix(output string, gen uint64) string {
	return output + "/g" + pad(gen, genDigits) + "-"
}

func datasetPrefix(output string, gen, mergeGen uint64) string {
	return mergesPrefix(output, gen) + pad(mergeGen, genDigits) + "/"
}
