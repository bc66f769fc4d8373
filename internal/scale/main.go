// Command scale runs the real core in calm universes that grow, from 10 to 1,000
// workers and from 10 to 100,000 units, and prints what a unit costs from
// submission to publication. It fails if the cost of a unit grows with the batch,
// if claims get into each other's way, or if a transaction outgrows its settings.
//
// The universes are judged by the demands below alone: the invariants remember
// every unit and look at all of them, which is theirs to do in small universes.
//
//	go run ./internal/scale [-quick]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// What is demanded.
const (
	// growth is how much dearer a unit of a large batch may be than one of a
	// thousand, with as many workers.
	growth = 1.2
	// conflicts is how many transactions may conflict for each claim.
	conflicts = 0.2
)

// size is one universe to run.
type size struct{ workers, units int }

func sizes(quick bool) []size {
	if quick {
		return []size{{10, 10}, {10, 1_000}, {10, 5_000}, {300, 1_000}, {300, 5_000}, {1_000, 5_000}}
	}
	return []size{
		{10, 10}, {10, 100}, {10, 1_000}, {10, 10_000}, {10, 100_000},
		{100, 10_000}, {300, 1_000}, {300, 10_000}, {300, 100_000}, {1_000, 1_000}, {1_000, 10_000},
	}
}

func main() {
	quick := flag.Bool("quick", false, "up to 5,000 units only, in seconds")
	workers := flag.Int("workers", 0, "run one universe with so many workers, and print its row")
	units := flag.Int("units", 1_000, "and so many units")
	flag.Parse()
	if *workers > 0 {
		print(run([]size{{*workers, *units}}))
		return
	}
	began := time.Now()
	all := run(sizes(*quick))
	print(all)
	fmt.Printf("scale: %d universes in %s\n", len(all), time.Since(began).Round(time.Second))
	if wrong := judge(all); len(wrong) > 0 {
		fmt.Fprintln(os.Stderr, "scale: "+strings.Join(wrong, "\nscale: "))
		os.Exit(1)
	}
}

// run runs the universes, as many at once as there are processors, the large ones
// first.
func run(sizes []size) []*cost {
	all := make([]*cost, len(sizes))
	next := make(chan int, len(sizes))
	for i := len(sizes) - 1; i >= 0; i-- {
		next <- i
	}
	close(next)
	done := make(chan bool)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for i := range next {
				all[i] = measure(sizes[i])
			}
			done <- true
		}()
	}
	for range runtime.GOMAXPROCS(0) {
		<-done
	}
	return all
}

func print(all []*cost) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workers\tunits\trequests/unit\trows scanned/unit\tcommits/unit\tconflicts/claim\tclaim waits\tworst\tkeys/txn\tbytes/txn\tvirtual\tevents\t")
	for _, c := range all {
		fmt.Fprintf(w, "%d\t%d\t%.1f\t%.1f\t%.2f\t%.3f\t%s\t%s\t%d\t%d\t%s\t%d\t\n",
			c.workers, c.units, c.perUnit(c.requests), c.perUnit(c.scanned), c.perUnit(c.commits), c.conflictsPerClaim(),
			c.meanWait().Round(time.Millisecond), c.worstWait.Round(time.Millisecond), c.largestKeys, c.largestBytes,
			c.virtual.Round(time.Second), c.events)
	}
	w.Flush()
}

// judge returns what is not as demanded.
func judge(all []*cost) (wrong []string) {
	base := map[int]*cost{} // a thousand units, by workers
	for _, c := range all {
		if c.units == 1_000 {
			base[c.workers] = c
		}
	}
	grown := 0
	for _, c := range all {
		complain := func(format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("%d workers, %d units: ", c.workers, c.units)+fmt.Sprintf(format, args...))
		}
		if c.failure != "" {
			complain("%s", c.failure)
			continue
		}
		if most := 4*c.config.Page + c.config.Shards + 8; c.largestKeys > most {
			complain("a transaction has %d keys; the settings allow %d", c.largestKeys, most)
		}
		if most := c.config.TxnBytes + rowRoom*c.config.Shards; c.largestBytes > most {
			complain("a transaction has %d bytes; the settings allow %d", c.largestBytes, most)
		}
		if c.workers == 300 && c.conflictsPerClaim() > conflicts {
			complain("%.3f conflicts for each claim; %.1f are allowed", c.conflictsPerClaim(), conflicts)
		}
		small := base[c.workers]
		if small == nil || c.units <= small.units {
			continue
		}
		grown++
		for _, n := range []struct {
			what        string
			now, before float64
		}{
			{"requests", c.perUnit(c.requests), small.perUnit(small.requests)},
			{"scanned rows", c.perUnit(c.scanned), small.perUnit(small.scanned)},
			{"commits", c.perUnit(c.commits), small.perUnit(small.commits)},
		} {
			if n.now > growth*n.before {
				complain("a unit costs %.1f %s; with 1,000 units it costs %.1f", n.now, n.what, n.before)
			}
		}
	}
	if grown < 2 {
		wrong = append(wrong, "fewer than two universes were compared with a smaller one")
	}
	return wrong
}
