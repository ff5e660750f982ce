package insight

import (
	"log/slog"
	"time"

	"github.com/asyncio-go/asyncio"
)

// An Option changes what [Start] does.
type Option interface{ apply(o *options) }

type options struct {
	directory   string
	level       asyncio.InsightLevel
	log         *slog.Logger
	incidentDir string
	pause       time.Duration // between two incidents of a kind that are written down
}

type optionFunc func(o *options)

func (f optionFunc) apply(o *options) { f(o) }

// WithDirectory puts the socket into another directory, which must be the user's alone
// (mode 0700) and is made if it is not there. The commands look there when
// ASYNCIO_INSIGHT_DIR names it. Without the option the directory is, in this order:
// $ASYNCIO_INSIGHT_DIR; asyncio in $XDG_RUNTIME_DIR if that is the user's; asyncio-UID in
// $TMPDIR or /tmp.
func WithDirectory(dir string) Option { return optionFunc(func(o *options) { o.directory = dir }) }

// WithLevel makes the loops take note of as much; [asyncio.InsightOn] without it.
func WithLevel(level asyncio.InsightLevel) Option {
	return optionFunc(func(o *options) { o.level = level })
}

// WithIncidentLog writes what the window shows to a logger when a loop stands still, or
// a task or callback panics: the culprit, its stack, and what the tasks wait for, in at most
// 64 kB of text. Of several within ten seconds the first of each kind is written, and how
// many more there were.
func WithIncidentLog(l *slog.Logger) Option { return optionFunc(func(o *options) { o.log = l }) }

// WithIncidentDirectory writes what the window shows into a file of JSON in the directory,
// when a loop stands still, or a task or callback panics: asyncio-PID-TIME-KIND.json,
// with at most a thousand tasks a loop. Of a process's files the newest twenty are
// kept. The directory is made if it is not there.
func WithIncidentDirectory(dir string) Option {
	return optionFunc(func(o *options) { o.incidentDir = dir })
}
