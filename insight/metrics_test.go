package insight

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/insightwire/samples"
)

func TestMetricsAreInPrometheusFormat(t *testing.T) {
	w := fakes(samples.Program(), samples.Hung(), samples.Deadlock())
	got := answer(t, w, "GET", "/metrics").Body.String()
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) asyncio_\w+ .+|asyncio_\w+(\{(\w+="[^"\\]*",?)+\})? [-+.e0-9]+)$`)
	seen := make(map[string]bool)
	for l := range strings.Lines(got) {
		l = strings.TrimSuffix(l, "\n")
		if !line.MatchString(l) {
			t.Errorf("this is no line of the format: %s", l)
		}
		if name, ok := strings.CutPrefix(l, "# TYPE "); ok {
			if seen[name] {
				t.Errorf("%s stands there twice", name)
			}
			seen[name] = true
		}
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	got := string(prometheus([]Sample{{Name: "x", Help: "X.", Labels: []Label{{"kind", "a\"b\\c\nd"}}, Value: math.Inf(1)}}))
	if want := "# HELP x X.\n# TYPE x gauge\nx{kind=\"a\\\"b\\\\c\\nd\"} +Inf\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestAHistogramLosesNothing(t *testing.T) {
	counts := make([]uint64, 50)
	for i := range counts {
		counts[i] = 1
	}
	h := histogram(asyncio.HistogramLook{Counts: counts})
	var sum uint64
	for _, n := range h.Counts {
		sum += n
	}
	if sum != 50 || len(h.Buckets) != len(h.Counts)+1 || h.Buckets[1] != 128e-9 || h.Buckets[2] != 256e-9 {
		t.Errorf("%d counted, %v", sum, h.Buckets)
	}
}

func TestReadHasTheNumberOfLoops(t *testing.T) {
	if s := Read(t.Context()); len(s) == 0 || s[0].Name != "asyncio_loops" {
		t.Errorf("%v", s)
	}
}
