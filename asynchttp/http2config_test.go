package asynchttp

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// Which versions are spoken, and offered, over which connections.
func TestWhichConnectionsMayBeShared(t *testing.T) {
	protocols := func(http1, http2, plain bool) *http.Protocols {
		p := new(http.Protocols)
		p.SetHTTP1(http1)
		p.SetHTTP2(http2)
		p.SetUnencryptedHTTP2(plain)
		return p
	}
	type want struct {
		https, http bool // may be shared
		offers      []string
	}
	for _, x := range []struct {
		tr   Transport
		want want
	}{
		{Transport{}, want{true, false, []string{"h2", "http/1.1"}}},
		{Transport{DisableKeepAlives: true}, want{false, false, []string{"http/1.1"}}},
		{Transport{Protocols: protocols(true, false, false)}, want{false, false, []string{"http/1.1"}}},
		{Transport{Protocols: protocols(false, true, false)}, want{true, false, []string{"h2"}}},
		{Transport{Protocols: protocols(false, true, false), DisableKeepAlives: true}, want{true, false, []string{"h2"}}},
		{Transport{Protocols: protocols(true, false, true)}, want{false, false, []string{"http/1.1"}}},
		{Transport{Protocols: protocols(false, false, true)}, want{false, true, nil}},
		{Transport{Protocols: protocols(true, true, true)}, want{true, false, []string{"h2", "http/1.1"}}},
	} {
		https, plain := key{scheme: "https", addr: "a:443"}, key{scheme: "http", addr: "a:80"}
		got := want{x.tr.mayShare(https), x.tr.mayShare(plain), x.tr.offers(https)}
		if got.https != x.want.https || got.http != x.want.http || !slices.Equal(got.offers, x.want.offers) {
			t.Errorf("of %v: %+v, want %+v", x.tr.Protocols, got, x.want)
		}
		for _, k := range []key{{scheme: "https", addr: "a:443", http1: true}, {scheme: "http", addr: "a:80", http1: true}, {scheme: "http", proxy: "p"}, {scheme: "https"}} {
			if x.tr.mayShare(k) {
				t.Errorf("of %v a connection for %+v may be shared", x.tr.Protocols, k)
			}
			if k.http1 && !slices.Equal(x.tr.offers(k), []string{"http/1.1"}) {
				t.Errorf("of %v for %+v is offered %v", x.tr.Protocols, k, x.tr.offers(k))
			}
		}
	}
}

// What is set at a server holds for HTTP/2, too.
func TestAServersSettingsAreThoseOfHTTP2(t *testing.T) {
	type limits struct{ header, read, write, idle time.Duration }
	for _, x := range []struct {
		srv  Server
		want limits
	}{
		{Server{}, limits{}},
		{Server{ReadTimeout: 2}, limits{2, 2, 0, 2}},
		{Server{ReadHeaderTimeout: 1, ReadTimeout: 2, WriteTimeout: 3, IdleTimeout: 4}, limits{1, 2, 3, 4}},
	} {
		v := x.srv.newHTTP2()
		if got := (limits{v.ReadHeaderTimeout, v.ReadTimeout, v.WriteTimeout, v.IdleTimeout}); got != x.want {
			t.Errorf("got %+v, want %+v", got, x.want)
		}
	}
	for streams, want := range map[int]uint32{-1: 0, 0: 0, 1: 1, 7: 7} {
		srv := Server{MaxHeaderBytes: 5, MaxHeaderFields: 6, HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams, MaxReceiveBufferPerStream: 1, MaxReceiveBufferPerConnection: 2, SendPingTimeout: 3, PingTimeout: 4,
		}}
		v := srv.newHTTP2()
		if v.MaxConcurrentStreams != want || v.StreamWindow != 1 || v.ConnWindow != 2 || v.PingInterval != 3 || v.PingTimeout != 4 || v.MaxHeaderBytes != 5 || v.MaxHeaderFields != 6 {
			t.Errorf("got %+v", v)
		}
	}
}

func TestATransportsSettingsAreThoseOfHTTP2(t *testing.T) {
	tr := &Transport{
		MaxResponseHeaderBytes: 1, MaxResponseFields: 2, ResponseHeaderTimeout: 3, ExpectContinueTimeout: 4,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 5, MaxReceiveBufferPerConnection: 6, SendPingTimeout: 7, PingTimeout: 8},
	}
	c := tr.http2()
	if c.MaxHeaderBytes != 1 || c.MaxHeaderFields != 2 || c.ResponseHeaderTimeout != 3 || c.ExpectContinueTimeout != 4 ||
		c.StreamWindow != 5 || c.ConnWindow != 6 || c.PingInterval != 7 || c.PingTimeout != 8 {
		t.Errorf("got %+v", c)
	}
	if tr.http2() != c {
		t.Error("the next connection has another")
	}
	c = new(Transport).http2()
	if c.MaxHeaderBytes != DefaultMaxResponseHeaderBytes || c.MaxHeaderFields != DefaultMaxResponseFields || c.UserAgent != defaultUserAgent {
		t.Errorf("got %+v", c)
	}
}
