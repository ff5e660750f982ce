package serve

import (
	"fmt"
	"io"
	"net/http"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// A LogFormat is how the access log is written.
type LogFormat uint8

const (
	// LogCommon is the common log format, of NCSA's server and all since.
	LogCommon LogFormat = iota
	// LogJSON is an object a line.
	LogJSON
	// LogNone is no log.
	LogNone
)

// ParseLogFormat reads the name of a format: common, json or none.
func ParseLogFormat(s string) (LogFormat, error) {
	for f, name := range []string{"common", "json", "none"} {
		if s == name {
			return LogFormat(f), nil
		}
	}
	return 0, fmt.Errorf("%q is no format of a log: common, json or none", s)
}

// logged returns a handler that serves by h and logs to out, for all loops; done is to
// be called when no loop uses it any more.
func (f LogFormat) logged(h http.Handler, out, errs io.Writer) (logged http.Handler, done func()) {
	if f == LogNone {
		return h, func() {}
	}
	log := &asynchttp.AccessLog{Out: out, OnTrouble: func(err error) {
		fmt.Fprintf(errs, "asyncio: serve: %v\n", err)
	}}
	if f == LogJSON {
		log.Format = asynchttp.LogJSON
	}
	return log.Handler(h), func() { _ = log.Close() } // it has no error
}
