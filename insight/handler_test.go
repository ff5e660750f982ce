package insight

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

// answer asks a window for a path.
func answer(t testing.TB, w *window, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := httptest.NewRecorder()
	w.handler().ServeHTTP(out, r)
	return out
}

// decode asks for a value.
func decode[T any](t testing.TB, w *window, path string) (v T) {
	t.Helper()
	out := answer(t, w, "GET", path)
	if out.Code != 200 {
		t.Fatalf("%s: %d %s", path, out.Code, out.Body)
	}
	if err := json.Unmarshal(out.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

func TestLoopsArePagedAndChosen(t *testing.T) {
	w := fakes(samples.Program(), samples.Deadlock())
	for path, want := range map[string]struct{ loops, tasks, first, stack int }{
		"/v1/loops":                                 {2, 9, 1, 0},
		"/v1/loops?loop=1&tasks=2&after=3":          {1, 2, 4, 0},
		"/v1/loops?loop=1&tasks=0":                  {1, 0, 0, 0},
		"/v1/loops?loop=1&after=1&tasks=1&stacks=1": {1, 1, 2, 3},
		"/v1/loops?loop=1&tasks=1&stacks=top":       {1, 1, 1, 0},
		"/v1/loops?loop=77":                         {0, 0, 0, 0},
	} {
		l := decode[insightwire.Looks](t, w, path)
		if l.Version != 1 || len(l.Loops) != want.loops {
			t.Errorf("%s: %d loops", path, len(l.Loops))
			continue
		}
		if want.loops == 0 {
			continue
		}
		tasks := l.Loops[0].Tasks
		if len(tasks) != want.tasks {
			t.Errorf("%s: %d tasks", path, len(tasks))
		} else if want.tasks > 0 && (int(tasks[0].ID) != want.first || len(tasks[0].Stack) != want.stack) {
			t.Errorf("%s: task %d, %d frames", path, tasks[0].ID, len(tasks[0].Stack))
		}
		if strings.Contains(path, "top") && tasks[0].At == nil {
			t.Error("the top of the stack has gone, too")
		}
	}
}

func TestWhatCannotBeIsABadRequest(t *testing.T) {
	w := fakes(samples.Program())
	for _, path := range []string{
		"/v1/loops?tasks=-1", "/v1/loops?tasks=x", "/v1/loops?tasks=9999999", "/v1/loops?after=-1", "/v1/loops?stacks=2", "/v1/loops?patience=1h",
		"/v1/events?every=1ms", "/v1/record?seconds=0", "/v1/record?until=never", "/v1/where?loop=x",
	} {
		method := "GET"
		if strings.HasPrefix(path, "/v1/record") {
			method = "POST"
		}
		out := answer(t, w, method, path)
		_, query, _ := strings.Cut(path, "?")
		name, _, _ := strings.Cut(query, "=")
		if out.Code != 400 || !strings.HasPrefix(out.Body.String(), name+"=") {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
	if out := answer(t, w, "GET", "/v1/cancel?task=1"); out.Code != http.StatusMethodNotAllowed {
		t.Errorf("a cancellation by GET: %d", out.Code)
	}
	for path, code := range map[string]int{"/v1/cancel": 400, "/v1/cancel?task=1&loop=9": 404, "/v1/cancel?task=1": 404} {
		if out := answer(t, w, "POST", path); out.Code != code {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
	if out := answer(t, fakes(samples.Program(), samples.Hung()), "POST", "/v1/cancel?task=1"); out.Code != 400 || !strings.Contains(out.Body.String(), "2 loops") {
		t.Errorf("which loop? %d %s", out.Code, out.Body)
	}
}

func TestAnotherSiteCannotCancel(t *testing.T) {
	w := fakes(samples.Program())
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://evil.example"}} {
		if out := answer(t, w, "POST", "/v1/cancel?task=1", header...); out.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, out.Code)
		}
	}
}

func TestWhereGroupsAllTasksOfManyPages(t *testing.T) {
	where := decode[insightwire.Where](t, fakes(samples.Many(7001, time.Second)), "/v1/where")
	if len(where.Groups) != 3 || where.Groups[0].Count != 2334 || where.Groups[2].Count != 2333 || where.Others != 0 {
		t.Errorf("%+v", where.Groups)
	}
	if g := where.Groups[0]; len(g.Tasks) != maxMembers || g.Tasks[0].Name != "connection-0" || g.Longest != time.Second+6999*time.Millisecond || g.Waits != "socket" {
		t.Errorf("%+v", g)
	}
	if len(where.Loops[0].Tasks) != 0 || where.Loops[0].More {
		t.Error("the tasks themselves are sent, too")
	}
	hung := decode[insightwire.Where](t, fakes(samples.Hung()), "/v1/where")
	if len(hung.Groups) != 1 || hung.Groups[0].Count != 2 || hung.Loops[0].Culprit == nil {
		t.Errorf("%+v", hung)
	}
}

func TestWhereTellsNoMorePlacesApartThanItSays(t *testing.T) {
	var g packer
	for i := range maxPacks + 10 {
		g.task(1, &asyncio.TaskLook{ID: uint64(i + 1), Stack: []asyncio.FrameLook{{Function: "f", Line: i}}})
	}
	if packs, others := g.finish(); len(packs) != maxPacks || others != 10 {
		t.Errorf("%d packs, %d others", len(packs), others)
	}
}

func TestTheGraphHasWhatIsWaitedForBetweenTasks(t *testing.T) {
	g := decode[insightwire.Graph](t, fakes(samples.Deadlock()), "/v1/graph")
	var edges []string
	for _, e := range g.Edges {
		edges = append(edges, e.From+" "+e.Kind+" "+e.To)
	}
	want := "l3o0xa held l3t22,l3t21 waits l3o0xa,l3o0xb held l3t21,l3t22 waits l3o0xb,l3t20 waits l3t21,l3t20 waits l3t22"
	if got := strings.Join(edges, ","); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for _, e := range g.Edges {
		if e.Cycle != (e.From != "l3t20") {
			t.Errorf("%+v", e)
		}
	}
	big := decode[insightwire.Graph](t, fakes(samples.Many(10_000, time.Second)), "/v1/graph")
	if len(big.Nodes) != maxNodes || !big.More {
		t.Errorf("%d nodes", len(big.Nodes))
	}
}

func TestADumpIsOneJSONWithAllTasks(t *testing.T) {
	type dump struct {
		insightwire.Looks
		Goroutines string `json:"goroutines"`
	}
	d := decode[dump](t, fakes(samples.Many(4500, time.Second), samples.Hung(), &asyncio.LoopLook{Loop: 9}), "/v1/dump?goroutines=1")
	if len(d.Loops) != 3 || len(d.Loops[0].Tasks) != 4500 || d.Loops[0].Tasks[4499].ID != 4500 || d.Loops[1].Culprit == nil || len(d.Loops[1].Tasks) != 3 {
		t.Errorf("%d loops", len(d.Loops))
	}
	if !strings.Contains(d.Goroutines, "TestADumpIsOneJSON") || d.Process.PID == 0 || d.Loops[0].More {
		t.Errorf("%.200s", d.Goroutines)
	}
}

func TestEventsAreSentOnce(t *testing.T) {
	site := httptest.NewServer(fakes(samples.Program(), samples.Deadlock()).handler())
	defer site.Close()
	resp, err := site.Client().Get(site.URL + "/v1/events?every=20ms&tasks=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Error(got)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	var events []int
	for len(events) < 3 && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var l insightwire.Looks
			if err := json.Unmarshal([]byte(data), &l); err != nil {
				t.Fatal(err)
			}
			if len(l.Loops) != 2 || len(l.Loops[0].Tasks) != 1 {
				t.Fatalf("%+v", l)
			}
			events = append(events, len(l.Loops[0].Events))
		}
	}
	if len(events) != 3 || events[0] != 5 || events[1] != 0 || events[2] != 0 {
		t.Errorf("%v events", events)
	}
}

func TestARecordHasTheTraceAndTheLoops(t *testing.T) {
	w := fakes(samples.Program())
	var happen func(asyncio.Incident)
	began := make(chan struct{})
	w.incidents = func(fn func(asyncio.Incident)) func() {
		happen = fn
		close(began)
		return func() {}
	}
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- answer(t, w, "POST", "/v1/record?until=incident&within=1h&megabytes=1") }()
	<-began
	if out := answer(t, w, "POST", "/v1/record?seconds=1"); out.Code != http.StatusConflict {
		t.Errorf("a second record at the same time: %d %s", out.Code, out.Body)
	}
	happen(asyncio.Incident{Kind: "goes on"})
	happen(asyncio.Incident{Kind: "stall", Look: samples.Hung()})
	happen(asyncio.Incident{Kind: "stall"})
	out := <-done
	z, err := zip.NewReader(bytes.NewReader(out.Body.Bytes()), int64(out.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name], _ = io.ReadAll(r)
	}
	if !bytes.HasPrefix(files["trace.out"], []byte("go 1.")) {
		t.Errorf("the trace begins with %.20q", files["trace.out"])
	}
	var events struct{ Events []asyncio.EventLook }
	var incident insightwire.Incident
	for name, v := range map[string]any{"before.json": new(insightwire.Looks), "after.json": new(insightwire.Looks), "events.json": &events, "incident.json": &incident} {
		if err := json.Unmarshal(files[name], v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(events.Events) != 5 || incident.Look == nil || incident.Look.Culprit.Task != 12 || incident.Window == nil {
		t.Errorf("%+v %+v", events, incident)
	}
}

func TestTheIndexTellsOfEachPath(t *testing.T) {
	out := answer(t, fakes(), "GET", "/v1/")
	for _, rt := range routes() {
		_, path, _ := strings.Cut(rt.pattern, " ")
		if !strings.Contains(out.Body.String(), strings.TrimSuffix(path, "{$}")) {
			t.Errorf("it says nothing of %s", path)
		}
	}
}

func TestThePageMayLoadNothingOfOthers(t *testing.T) {
	out := answer(t, fakes(), "GET", "/")
	policy := out.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'sha256-") || strings.Contains(policy, "http") {
		t.Error(policy)
	}
	for _, host := range []string{"http://", "https://", "//cdn"} {
		if text := strings.ReplaceAll(out.Body.String(), "http://www.w3.org/2000/svg", ""); strings.Contains(text, host) {
			t.Errorf("the page speaks of %s", host)
		}
	}
}
