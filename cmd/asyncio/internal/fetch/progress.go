package fetch

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// progressInterval is how often the progress is drawn.
const progressInterval = 500 * time.Millisecond

// progress shows on a terminal how far the run is. It draws by a timer of the
// loop, and only what fits in one line.
type progress struct {
	e     *engine
	timer *asyncio.TimerHandle
	shown bool
}

func newProgress(e *engine) *progress {
	p := &progress{e: e}
	o := e.opts
	if e.io.Width == nil || e.io.Width() <= 0 || o.Silent || o.NoProgress || o.Verbose ||
		e.io.StdoutIsTerminal && (o.toStdout() || o.NDJSON || o.WriteOut != "") {
		return p
	}
	p.timer = e.loop.CallLater(progressInterval, p.tick)
	return p
}

func (p *progress) tick() {
	p.draw()
	p.timer = p.e.loop.CallLater(progressInterval, p.tick)
}

// draw shows how it stands now.
func (p *progress) draw() {
	e := p.e
	s := &e.stats
	total := -1
	if e.plan.complete {
		total = s.done + e.plan.unfinished()
	}
	took := e.loop.Time() - s.begun
	text := fmt.Sprintf(" %d active, %s, %s/s, %s", e.plan.active, SizeText(s.bytes), SizeText(perSecond(s.bytes, took)), TimeText(took))
	if s.failed > 0 {
		text = fmt.Sprintf(" %d failed,%s", s.failed, text)
	}
	_, _ = io.WriteString(e.io.Stderr, "\r\x1b[K"+Bar(s.done, total, text, e.io.Width(), e.io.Color))
	p.shown = true
}

// hide takes the line away, so that another can be written.
func (p *progress) hide() {
	if p.shown {
		_, _ = io.WriteString(p.e.io.Stderr, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) end() {
	p.hide()
	if p.timer != nil {
		p.timer.Cancel()
	}
}

// Bar draws a bar of done out of total, which is negative when it is not known,
// with a text after it, in so many columns.
func Bar(done, total int, text string, width int, color bool) string {
	count := fmt.Sprintf("%d", done)
	bar := ""
	if total >= 0 {
		count = fmt.Sprintf("%d/%d", done, total)
		if n := min(40, width-len(count)-len(text)-6); n >= 5 {
			full := n
			if total > 0 {
				full = n * min(done, total) / total
			}
			filled, empty := strings.Repeat("#", full), strings.Repeat("-", n-full)
			if color {
				filled = "\x1b[32m" + filled + "\x1b[0m"
			}
			bar = "[" + filled + empty + "] "
		}
	}
	line := count + text
	if room := width - 1; bar == "" && len(line) > room {
		line = line[:max(0, room)]
	}
	return bar + line
}
