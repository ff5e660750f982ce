package insight

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestIncidentsAreLoggedAndKept(t *testing.T) {
	w := fakes(samples.Program(), samples.Hung(), samples.Deadlock())
	var happen func(asyncio.Incident)
	stopped := false
	w.incidents = func(fn func(asyncio.Incident)) func() {
		happen = fn
		return func() { stopped = true }
	}
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "incidents")
	s := startServer(t, w, WithIncidentLog(slog.New(slog.NewTextHandler(&log, nil))), WithIncidentDirectory(dir))
	happen(asyncio.Incident{Kind: "goes on"})
	if log.Len() > 0 {
		t.Errorf("that it goes on: %s", &log)
	}
	happen(asyncio.Incident{Kind: "stall", Look: samples.Hung()})
	for _, want := range []string{"task 12 \\\"writer\\\" is blocked in sync.Mutex.Lock at /src/shop/store.go:82", "these wait for each other: 21 22", "for lock"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in %s", want, &log)
		}
	}
	happen(asyncio.Incident{Kind: "panic", Task: 3, Err: errors.New("boom")})
	if !strings.Contains(log.String(), "Task-3 has panicked: boom") {
		t.Error(log.String())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "asyncio-*-stall.json"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	var in insightwire.Incident
	text, err := os.ReadFile(files[0])
	if err == nil {
		err = json.Unmarshal(text, &in)
	}
	if err != nil || in.Kind != "stall" || in.Look.Culprit.Place != "/src/shop/store.go:82" || len(in.Window.Loops) != 3 {
		t.Errorf("%v, %+v", err, in)
	}
	for range maxIncidentFiles + 3 {
		happen(asyncio.Incident{Kind: "panic"})
	}
	if all, _ := filepath.Glob(filepath.Join(dir, "*")); len(all) != maxIncidentFiles {
		t.Errorf("%d files are kept", len(all))
	}
	if err := s.Close(); err != nil || !stopped {
		t.Errorf("%v, stopped: %v", err, stopped)
	}
}

func TestTheTextOfAnIncidentIsBounded(t *testing.T) {
	k := samples.Many(1000, time.Second)
	for i := range k.Tasks {
		k.Tasks[i].Name = strings.Repeat("ä", 1000)
	}
	i := &insightwire.Incident{Kind: "panic", Window: samples.Looks(k)}
	if n := len(incidentText(i)); n < maxIncidentText/2 || n > maxIncidentText+100 {
		t.Errorf("it has %d bytes", n)
	}
}

func TestATaskThatPanicsAgainAndAgainDoesNotFillTheLog(t *testing.T) {
	w := fakes(samples.Program())
	l := newLog("more")
	in, err := newIncidents(&options{log: slog.New(slog.NewTextHandler(l, nil)), pause: time.Hour}, w)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		in.handle(asyncio.Incident{Kind: "panic"})
	}
	in.handle(asyncio.Incident{Kind: "stall"})
	in.pause = 0
	in.handle(asyncio.Incident{Kind: "panic"})
	if text := l.String(); strings.Count(text, "level=ERROR") != 3 || !strings.Contains(text, "and 9 more") {
		t.Error(text)
	}
}
