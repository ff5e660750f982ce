package cli_test

import (
	"strings"
	"testing"
)

// TestThePortableDriverFetchesToo asks for the same with the driver of other
// systems.
func TestThePortableDriverFetchesToo(t *testing.T) {
	u, raw := newSite(t), newRawSite(t, misbehave)
	secure, ca := newTLSSite(t)
	for name, args := range map[string][]string{
		"plain":     {u + "/plain"},
		"chunked":   {u + "/chunked"},
		"gzip":      {"--compressed", u + "/gzip"},
		"redirects": {"-L", u + "/hops/5"},
		"POST":      {"-d", strings.Repeat("x", 100000), u + "/echo", "-A", "x"},
		"https":     {"--cacert", ca, secure + "/plain"},
		"HTTP/1.0":  {raw + "/http10"},
		"short":     {raw + "/short"},
		"reset":     {raw + "/reset"},
		"never":     {"--max-time", "0.3", raw + "/never"},
		"refused":   {"http://127.0.0.1:1/"},
		"several":   {u + "/page/1", u + "/page/1", u + "/page/1"},
	} {
		t.Run(name, func(t *testing.T) {
			want := fetch(t, append([]string{"-s"}, args...)...)
			got := fetch(t, append([]string{"-s", "--driver", "portable"}, args...)...)
			if got.code != want.code || got.out != want.out {
				t.Errorf("(%d) %.200q, want (%d) %.200q", got.code, got.out, want.code, want.out)
			}
		})
	}
}

func TestADriverThatIsNotThereIsAnError(t *testing.T) {
	if got := fetch(t, "--driver", "none", "http://127.0.0.1/"); got.code != 2 {
		t.Fatalf("%+v", got)
	}
}
