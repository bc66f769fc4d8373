package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

// svg is a picture under construction.
type svg struct{ bytes.Buffer }

func newSVG(width, height int) *svg {
	s := &svg{}
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(s, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	return s
}

func (s *svg) text(x, y float64, attributes, text string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attributes, html.EscapeString(text))
}

func (s *svg) end() []byte {
	s.WriteString("</svg>\n")
	return s.Bytes()
}

// colours tell the cells apart.
var colours = []string{"#1b6ca8", "#d1495b", "#2e8b57", "#8a5a44", "#7b4fa3", "#b8860b", "#444444", "#00828a", "#c2185b", "#607d1f",
	"#e07b00", "#5c6bc0", "#8e9a00", "#a0522d", "#0097a7", "#9e9e9e", "#c62828"}

// kills draws K(t): the share of a cell's bugs that t CPU-seconds for each are expected
// to kill, cell by cell, over the logarithm of t.
func (m *measurements) kills() []byte {
	const left, top, width, height = 50.0, 20.0, 560.0, 320.0
	const from, to = -1.0, 3.0 // powers of ten of a CPU-second
	s := newSVG(800, 390)
	x := func(power float64) float64 { return left + width*(power-from)/(to-from) }
	y := func(share float64) float64 { return top + height*(1-share) }
	for power := from; power <= to; power++ {
		fmt.Fprintf(s, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", x(power), top, x(power), top+height)
		s.text(x(power), top+height+16, `text-anchor="middle"`, fmt.Sprintf("%g s", math.Pow(10, power)))
	}
	for i := range 5 {
		k := float64(i) / 4
		fmt.Fprintf(s, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, y(k), left+width, y(k))
		s.text(left-6, y(k)+4, `text-anchor="end"`, fmt.Sprintf("%.0f %%", 100*k))
	}
	s.text(left+width/2, top+height+36, `text-anchor="middle"`, "CPU-seconds for each bug")
	for i, cell := range m.cells {
		colour, bugs := colours[i%len(colours)], m.shared(cell)
		fmt.Fprintf(s, `<polyline fill="none" stroke="%s" stroke-width="1.8" points="`, colour)
		for step := range 81 {
			power := from + (to-from)*float64(step)/80
			fmt.Fprintf(s, "%.1f,%.1f ", x(power), y(m.expected(bugs, cell, math.Pow(10, power))/float64(max(len(bugs), 1))))
		}
		s.WriteString(`"/>` + "\n")
		s.text(left+width+14, top+14+float64(i)*18, `fill="`+colour+`"`, fmt.Sprintf("%s: %.0f of %d", cell, m.expected(bugs, cell, math.Pow(10, to)), len(bugs)))
	}
	return s.end()
}

// matrix draws which oracle objects to which bug in the portfolio: the darker, the
// larger its share of the failing universes. The one that the patch names has a
// frame.
func (m *measurements) matrix() []byte {
	var oracles []string
	var bugs []mutants.Mutant
	for _, bug := range m.all {
		c, ok := m.known[bug.Name][mutants.Portfolio]
		if !ok {
			continue
		}
		bugs = append(bugs, bug)
		for name := range c.By {
			if !slices.Contains(oracles, name) {
				oracles = append(oracles, name)
			}
		}
	}
	slices.Sort(oracles)
	const left, top, size = 300.0, 170.0, 12.0
	s := newSVG(int(left+size*float64(len(oracles)))+20, int(top+size*float64(len(bugs)))+20)
	for i, name := range oracles {
		x := left + size*float64(i) + 9
		s.text(x, top-6, fmt.Sprintf(`transform="rotate(-60 %.1f %.1f)"`, x, top-6), name)
	}
	for row, bug := range bugs {
		y := top + size*float64(row)
		s.text(left-6, y+9, `text-anchor="end" font-size="10"`, bug.Name)
		by := m.known[bug.Name][mutants.Portfolio].By
		all := 0
		for _, n := range by {
			all += n
		}
		for i, name := range oracles {
			share, frame := 0.0, "#eee"
			if all > 0 {
				share = float64(by[name]) / float64(all)
			}
			if name == bug.Invariant {
				frame = "#d1495b"
			}
			fmt.Fprintf(s, `<rect x="%.1f" y="%.1f" width="%.0f" height="%.0f" fill="#1b6ca8" fill-opacity="%.2f" stroke="%s" stroke-width="0.7"/>`+"\n",
				left+size*float64(i)+1, y+1, size-2, size-2, math.Sqrt(share), frame)
		}
	}
	return s.end()
}
