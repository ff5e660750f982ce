package remote

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/safety"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/gobvalue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestResponsesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, number := rapid.String(), rapid.Int64Range(0, 1<<40)
		some := rapid.SliceOfN(rapid.Byte(), 1, 50)
		r := &fetch.Response{Body: some.Draw(t, "body"), Raw: some.Draw(t, "raw"), RequestHead: some.Draw(t, "request"), ResponseHead: some.Draw(t, "response")}
		r.URL, r.ContentType, r.RedirectURL, r.Method = text.Draw(t, "url"), text.Draw(t, "type"), text.Draw(t, "redirect"), text.Draw(t, "method")
		r.Scheme, r.HTTPVersion = text.Draw(t, "scheme"), text.Draw(t, "version")
		r.Code, r.ConnectCode, r.Connects, r.Headers = 200, 201, 3, 4
		r.Downloaded, r.Uploaded, r.HeaderSize, r.RequestSize = number.Draw(t, "down"), number.Draw(t, "up"), 5, 6
		r.Times = fetch.Times{NameLookup: 1, Connect: 2, AppConnect: 3, PreTransfer: 4, Redirect: 5, StartTransfer: 6, Total: time.Duration(number.Draw(t, "total"))}
		r.Header = http.Header{"A": {text.Draw(t, "a"), "b"}}
		if rapid.Bool().Draw(t, "remote") {
			r.Remote, r.Local = netip.MustParseAddrPort("[2001:db8::1%eth0]:80"), netip.MustParseAddrPort("192.0.2.1:9")
		}
		b, err := encodeReport(&report{Results: []result{*newResult(7, r)}})
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode[report]("a report", b[1:])
		if err != nil || len(back.Results) != 1 || back.Results[0].N != 7 {
			t.Fatalf("%+v, %v", back, err)
		}
		if got := back.Results[0].response(); !reflect.DeepEqual(got, r) {
			t.Errorf("%+v, it was %+v", got, r)
		}
	})
}

// An error keeps its code, its text, and whether it is that of an address.
func TestErrorsKeepWhatTheyAre(t *testing.T) {
	refused := safety.CheckAddr(netip.MustParseAddr("10.0.0.1"))
	for _, err := range []error{errors.New("something"), &url.Error{Op: "Get", URL: "u", Err: refused}} {
		r := &fetch.Response{Result: fetch.Result{URL: "u", Err: &fetch.Error{Code: fetch.CannotConnect, URL: "u", Err: err}}}
		b, e := gobvalue.Encode(newResult(1, r))
		if e != nil {
			t.Fatal(e)
		}
		back, e := decode[result]("a result", b)
		if e != nil {
			t.Fatal(e)
		}
		got := back.response().Err
		var before, after *safety.AddressError
		if got.Code != r.Err.Code || got.Error() != r.Err.Error() || errors.As(r.Err, &before) != errors.As(got, &after) || before != nil && *before != *after {
			t.Errorf("%#v became %#v", r.Err, got)
		}
	}
}

func TestPiecesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := piece{n: rapid.Uint64().Draw(t, "n"), index: rapid.Uint64().Draw(t, "index"), last: rapid.Bool().Draw(t, "last"), data: rapid.SliceOf(rapid.Byte()).Draw(t, "data")}
		b := p.encode()
		if got, err := decodePiece(b); err != nil || got.n != p.n || got.index != p.index || got.last != p.last || string(got.data) != string(p.data) {
			t.Errorf("%+v, it was %+v, %v", got, p, err)
		}
		// What is cut off in front of the data is an error, and never a panic.
		if _, err := decodePiece(b[:rapid.IntRange(0, 3).Draw(t, "cut")]); err == nil && p.n > 0 {
			t.Error("it is cut off, and no error")
		}
	})
}

func TestSettingsComeBackAsOptions(t *testing.T) {
	proxy, agent := "http://proxy:1", "me"
	o := &fetch.Options{
		Headers: []fetch.Header{{Name: "A", Value: "b"}, {Name: "C", Remove: true}}, Proxy: &proxy, User: url.UserPassword("u", ""),
		Resolve:    []fetch.ResolveRule{{Host: "*", Port: 80, Addrs: []netip.Addr{netip.MustParseAddr("::1")}}},
		Compressed: true, HTTP: fetch.HTTP2Only, ConnectTimeout: 1, MaxTime: 2, SpeedLimit: 3, SpeedTime: 4, UserAgent: &agent,
	}
	b, id, err := NewSettings(o, agent, true, nil, true).encode()
	if err != nil || len(id) != 16 {
		t.Fatal(id, err)
	}
	s, err := decode[Settings]("settings", b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.options()
	if err != nil || !got.TLS.InsecureSkipVerify || !s.AllowPrivate {
		t.Fatal(err)
	}
	got.TLS = nil
	if !reflect.DeepEqual(&got, o) {
		t.Errorf("%+v, they were %+v", got, o)
	}
	if s.CA = []byte("no certificate"); s.CA != nil {
		if _, err := s.options(); err == nil {
			t.Error("certificates that are none were taken")
		}
	}
}
