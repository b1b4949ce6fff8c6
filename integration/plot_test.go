//go:build linux

package integration

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

// panel is one diagram of a plot: a figure for each number of vassals.
type panel struct {
	title string
	limit float64 // a dashed line; zero: none
	of    func(growth) float64
}

var growthPanels = []panel{
	{"ms until ready, each", 0, func(g growth) float64 { return milliseconds(g.ready) / float64(g.vassals) }},
	{"processor ms of the emperor, each", 0, func(g growth) float64 { return milliseconds(g.used) / float64(g.vassals) }},
	{"memory of the emperor, kB each", 12, func(g growth) float64 { return float64(g.memory) / float64(g.vassals) / 1000 }},
	{"ms for emperor list", 150, func(g growth) float64 { return milliseconds(g.listed) }},
}

const plotStyle = `<style>
  :root { color-scheme: light dark; }
  .paper { fill: #ffffff; } .axis { stroke: #8c959f; } .line { fill: none; stroke: #0969da; stroke-width: 2; } .dot { fill: #0969da; }
  .limit { stroke: #bc4c00; stroke-dasharray: 5 4; }
  text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328; text-anchor: middle; } .title { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } .axis { stroke: #6e7681; } .line { stroke: #58a6ff; } .dot { fill: #58a6ff; } .limit { stroke: #f0883e; } text { fill: #e6edf3; }
  }
</style>`

// drawGrowth returns an SVG with the panels side by side. Each begins at zero.
func drawGrowth(all []growth) string {
	const width, height, left, top, bottom = 250, 210, 20, 40, 175
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title">`+"\n", width*len(growthPanels), height)
	fmt.Fprintf(&b, "<title id=\"title\">costs of an emperor by the number of its vassals; dashed: limits</title>\n%s\n", plotStyle)
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d" rx="8"/>`+"\n", width*len(growthPanels), height)
	for i, p := range growthPanels {
		most := p.limit
		for _, g := range all {
			most = max(most, p.of(g))
		}
		at := func(v float64) float64 { return bottom - v/max(most, 1e-9)*(bottom-top-20) }
		from := i*width + left
		fmt.Fprintf(&b, `<text class="title" x="%d" y="22">%s</text><path class="axis" d="M%d %dH%d"/>`+"\n", from+(width-left)/2, p.title, from, bottom, from+width-left-10)
		if p.limit > 0 {
			fmt.Fprintf(&b, `<path class="limit" d="M%d %.1fH%d"/>`+"\n", from, at(p.limit), from+width-left-10)
		}
		var points strings.Builder
		for k, g := range all {
			x, y := from+(2*k+1)*(width-left-10)/(2*len(all)), at(p.of(g))
			fmt.Fprintf(&points, "%d,%.1f ", x, y)
			fmt.Fprintf(&b, `<circle class="dot" cx="%d" cy="%.1f" r="3"/><text x="%d" y="%.1f">%.3g</text><text x="%d" y="%d">%d</text>`+"\n",
				x, y, x, y-8, p.of(g), x, bottom+18, g.vassals)
		}
		fmt.Fprintf(&b, `<polyline class="line" points="%s"/>`+"\n", strings.TrimSpace(points.String()))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// The plot is well-formed, also without figures, and shows each figure.
func TestPlot(t *testing.T) {
	for _, all := range [][]growth{nil, {{vassals: 100, memory: 900_000}, {vassals: 8000, memory: 96_000_000}}} {
		svg := drawGrowth(all)
		if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
			t.Error(err)
		}
		for _, g := range all {
			if want := fmt.Sprintf(">%.3g</text>", float64(g.memory)/float64(g.vassals)/1000); !strings.Contains(svg, want) {
				t.Errorf("there is no %s in\n%s", want, svg)
			}
		}
	}
}
