package fetch

import (
	"errors"
	"fmt"
	"time"
)

// complain prints an error, in one line.
func (e *engine) complain(err error) {
	if e.opts.Silent && !e.opts.ShowError {
		return
	}
	text := Printable(err.Error())
	var own *Error
	if errors.As(err, &own) {
		text = own.Error()
	}
	mark := "asyncio:"
	if e.io.Color {
		mark = "\x1b[31masyncio:\x1b[0m"
	}
	e.line(mark + " " + text)
}

// note prints something that is not an error.
func (e *engine) note(format string, args ...any) {
	if !e.opts.Silent {
		e.line("asyncio: note: " + fmt.Sprintf(format, args...))
	}
}

// line writes a line to standard error, in the place of the progress.
func (e *engine) line(text string) {
	if e.progress != nil {
		e.progress.hide()
	}
	_, _ = fmt.Fprintln(e.io.Stderr, text)
}

func (e *engine) sayRetry(j *job, r *Result, again time.Duration) {
	why := fmt.Sprintf("(%d) the server answered %d", HTTPStatus, r.Code)
	if r.Err != nil {
		why = (&Error{Code: r.Err.Code, Err: r.Err.Err}).Error()
	}
	left := e.opts.Retry - j.retries
	e.note("%s: %s; trying again in %v, %d tries left after that", j.shown(), why, again.Round(time.Millisecond), left)
}

// summary prints one line about the whole run.
func (e *engine) summary(how string) {
	if e.opts.Silent || e.opts.NoProgress {
		return
	}
	s := &e.stats
	text := fmt.Sprintf("%d fetched, %d failed, %s in %s", s.done-s.failed, s.failed, SizeText(s.bytes), TimeText(e.loop.Time()-s.begun))
	if how != "" {
		text = how + ": " + text
	}
	e.line("asyncio: " + text)
}

// SizeText formats a number of bytes for people.
func SizeText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if f /= 1000; f < 999.5 {
			break
		}
	}
	if f < 9.95 {
		return fmt.Sprintf("%.1f %s", f, unit)
	}
	return fmt.Sprintf("%.0f %s", f, unit)
}

// TimeText formats a time for people.
func TimeText(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
