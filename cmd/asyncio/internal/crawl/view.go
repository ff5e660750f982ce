package crawl

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

const (
	// viewInterval is how often the progress is drawn.
	viewInterval = 500 * time.Millisecond
	// viewHosts is how many hosts are shown: those with the most to do.
	viewHosts = 8
)

// view shows on a terminal how far the crawl is, host by host. It draws by a
// timer of the loop, over what it drew before.
type view struct {
	c     *crawler
	timer *asyncio.TimerHandle
	lines int // that it has drawn
	pages map[*frontier.Host]int
}

func newView(c *crawler) *view {
	v := &view{c: c, pages: map[*frontier.Host]int{}}
	if c.io.Width == nil || c.io.Width() <= 0 || c.opts.Silent || c.opts.NoProgress || c.opts.Verbose || c.io.StdoutIsTerminal && c.opts.NDJSON {
		return v
	}
	v.timer = c.loop.CallLater(viewInterval, v.tick)
	return v
}

func (v *view) tick() {
	v.draw()
	v.timer = v.c.loop.CallLater(viewInterval, v.tick)
}

// draw shows how it stands now.
func (v *view) draw() {
	c := v.c
	took := c.now() - c.stats.begun
	width := max(20, c.io.Width()-1)
	lines := []string{fmt.Sprintf("%d requests, %d active, %d queued, %d hosts, %s, %.1f/s, %s", c.stats.requests, c.front.Active(), c.front.Queued(),
		c.front.Met(), fetch.SizeText(c.stats.bytes), float64(c.stats.requests)/max(took.Seconds(), 0.001), fetch.TimeText(took))}
	before := v.pages
	v.pages = map[*frontier.Host]int{}
	for _, h := range v.busiest() {
		had, shown := before[h]
		if v.pages[h] = h.Pages + h.Failed; !shown {
			had = v.pages[h] // how fast it is shows at the next time
		}
		rate := float64(v.pages[h]-had) / viewInterval.Seconds()
		lines = append(lines, fmt.Sprintf("  %-30s %6d pages %6.1f/s %5d errors %7d queued %2d active", fetch.Printable(h.URL.Host), h.Pages, rate, h.Failed, h.Queued(), h.Active()))
	}
	var b strings.Builder
	v.erase(&b)
	for _, line := range lines {
		b.WriteString(line[:min(len(line), width)])
		b.WriteByte('\n')
	}
	v.lines = len(lines)
	_, _ = io.WriteString(c.io.Stderr, b.String())
}

// busiest returns the hosts with the most to do.
func (v *view) busiest() []*frontier.Host {
	var top []*frontier.Host
	for _, h := range v.c.front.Hosts() {
		i, _ := slices.BinarySearchFunc(top, h, func(a, b *frontier.Host) int {
			return cmp.Or(cmp.Compare(b.Active()+b.Queued(), a.Active()+a.Queued()), strings.Compare(a.URL.Host, b.URL.Host))
		})
		if i == viewHosts {
			continue
		}
		if top = slices.Insert(top, i, h); len(top) > viewHosts {
			top = top[:viewHosts]
		}
	}
	return top
}

// erase takes away what was drawn.
func (v *view) erase(b *strings.Builder) {
	if v.lines > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", v.lines)
		v.lines = 0
	}
}

// hide takes the view away, so that a line can be written.
func (v *view) hide() {
	var b strings.Builder
	if v.erase(&b); b.Len() > 0 {
		_, _ = io.WriteString(v.c.io.Stderr, b.String())
	}
}

func (v *view) end() {
	v.hide()
	if v.timer != nil {
		v.timer.Cancel()
	}
}

// line writes a line to standard error, in the place of the view.
func (c *crawler) line(text string) {
	if c.view != nil {
		c.view.hide()
	}
	_, _ = fmt.Fprintln(c.io.Stderr, text)
}

// note writes something that is not an error.
func (c *crawler) note(format string, args ...any) {
	if !c.opts.Silent {
		c.line("asyncio: note: " + fetch.Printable(fmt.Sprintf(format, args...)))
	}
}
