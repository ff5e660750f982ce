package look

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Dump writes everything that is known of a process as one JSON.
func Dump(ctx context.Context, s *Screen, arg string, goroutines bool) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	parameters := []string{}
	if goroutines {
		parameters = append(parameters, "goroutines", "1")
	}
	body, err := t.open(ctx, http.MethodGet, "/v1/dump", parameters...)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(s.Out, body)
	if err == nil {
		_, err = io.WriteString(s.Out, "\n")
	}
	return err
}

// open asks for something that is passed on as it is.
func (t *target) open(ctx context.Context, method, path string, parameters ...string) (io.ReadCloser, error) {
	r, err := t.request(ctx, method, path, parameters...)
	if err != nil {
		return nil, err
	}
	resp, err := t.do(r)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// RecordOptions say what is recorded.
type RecordOptions struct {
	Seconds   int
	Until     bool // until there is an incident
	Within    time.Duration
	Megabytes int
	File      string // where it goes; "": asyncio-PID.zip
}

// A recorded file is what record says of itself in JSON.
type recorded struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

// Record keeps what a process did last in a file.
func Record(ctx context.Context, s *Screen, errs io.Writer, arg string, o Options, ro RecordOptions) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	if ro.File == "" {
		ro.File = fmt.Sprintf("asyncio-%d.zip", t.pid)
	}
	parameters := []string{"seconds", strconv.Itoa(ro.Seconds), "megabytes", strconv.Itoa(ro.Megabytes)}
	waiting := fmt.Sprintf("recording for %d seconds", ro.Seconds)
	if ro.Until {
		parameters = append(parameters, "until", "incident", "within", ro.Within.String())
		waiting = fmt.Sprintf("recording until a loop hangs or something panics, for %v at most", ro.Within)
	}
	fmt.Fprintf(errs, "asyncio: %s ...\n", waiting)
	body, err := t.open(ctx, http.MethodPost, "/v1/record", parameters...)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.OpenFile(ro.File, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // traces tell much
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", ro.File, err)
	}
	if o.JSON {
		return s.writeJSON(recorded{ro.File, n})
	}
	return s.print(s.wrap(fmt.Sprintf("%s has %d bytes: trace.out is for 'go tool trace', before.json, after.json and events.json are what the loops did", ro.File, n))...)
}
