package h2

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

const refused = "RST_STREAM 1 PROTOCOL_ERROR"

// What RFC 9113, 8.2 and 8.3, calls malformed is refused, and the handler never
// sees it; the connection goes on.
func TestMalformedRequestsAreRefused(t *testing.T) {
	get := func(fields ...string) []string { return requestOf("GET", fields) }
	for name, fields := range map[string][]string{
		"no method":                  {":scheme=http", ":authority=x", ":path=/"},
		"an empty method":            {":method=", ":scheme=http", ":authority=x", ":path=/"},
		"a method with a space":      {":method=GE T", ":scheme=http", ":authority=x", ":path=/"},
		"no scheme":                  {":method=GET", ":authority=x", ":path=/"},
		"another scheme":             {":method=GET", ":scheme=ftp", ":authority=x", ":path=/"},
		"no path":                    {":method=GET", ":scheme=http", ":authority=x"},
		"an empty path":              {":method=GET", ":scheme=http", ":authority=x", ":path="},
		"a path without a slash":     {":method=GET", ":scheme=http", ":authority=x", ":path=y"},
		"a path that begins with *":  {":method=OPTIONS", ":scheme=http", ":authority=x", ":path=*x"},
		"a path that is no URL":      {":method=GET", ":scheme=http", ":authority=x", ":path=/%zz"},
		"a user":                     {":method=GET", ":scheme=http", ":authority=u@x", ":path=/"},
		"a host with a space":        {":method=GET", ":scheme=http", ":authority=a b", ":path=/"},
		"another host":               get("host=y"),
		"two hosts":                  get("host=x", "host=x"),
		"two hosts and no authority": {":method=GET", ":scheme=http", ":path=/", "host=x", "host=y"},
		"a pseudo-header after":      {":method=GET", ":scheme=http", ":authority=x", "a=b", ":path=/"},
		"a pseudo-header twice":      get(":path=/"),
		"an unknown pseudo-header":   get(":protocol=x"),
		"a response's status":        get(":status=200"),
		"an upper-case name":         get("X-Upper=1"),
		"an empty name":              get("=1"),
		"a name with a space":        get("a b=1"),
		"a value with a newline":     get("a=1\n2"),
		"a pseudo-header's newline":  {":method=GET", ":scheme=http", ":authority=x", ":path=/\n"},
		"connection":                 get("connection=close"),
		"proxy-connection":           get("proxy-connection=close"),
		"keep-alive":                 get("keep-alive=1"),
		"transfer-encoding":          get("transfer-encoding=chunked"),
		"upgrade":                    get("upgrade=x"),
		"te":                         get("te=gzip"),
		"a length that is no number": get("content-length=x"),
		"a negative length":          get("content-length=-1"),
		"two lengths":                get("content-length=1", "content-length=2"),
		"nothing, and a length":      get("content-length=0", "content-length=1"),
		"CONNECT with a path":        {":method=CONNECT", ":authority=x:1", ":path=/"},
		"CONNECT with a scheme":      {":method=CONNECT", ":authority=x:1", ":scheme=http"},
		"CONNECT to nobody":          {":method=CONNECT"},
	} {
		t.Run(name, func(t *testing.T) {
			onServer(t, &Server{}, func(r *rig) {
				r.headers(1, true, fields...)
				r.send()
				r.wants(refused)
				r.saw()
				r.get(3)
				r.send()
				if got := r.take(); !strings.HasPrefix(got, "HEADERS 3 end :status=200") {
					t.Errorf("the next request got %s", got)
				}
			})
		})
	}
}

func TestHandlersSeeWhatTheRequestSays(t *testing.T) {
	get := func(fields ...string) []string { return requestOf("GET", fields) }
	for want, fields := range map[string][]string{
		`GET / host=x url=/ map[] len=0 body=""`:                                            get(),
		`GET /a?b=c host=x url=/a?b=c map[] len=0 body=""`:                                  {":method=GET", ":scheme=https", ":authority=x", ":path=/a?b=c"},
		`OPTIONS * host=x url=* map[] len=0 body=""`:                                        {":method=OPTIONS", ":scheme=http", ":authority=x", ":path=*"},
		`GET / host=y:8 url=/ map[] len=0 body=""`:                                          {":method=GET", ":scheme=http", ":path=/", "host=y:8"},
		`GET / host=x url=/ map[A:[b]] len=0 body=""`:                                       get("host=x", "a=b"),
		`GET / host=x url=/ map[Te:[trailers]] len=0 body=""`:                               get("te=trailers"),
		`GET / host=x url=/ map[Cookie:[a=1; b=2]] len=0 body=""`:                           get("cookie=a=1", "cookie=b=2"),
		`GET / host=x url=/ map[Cookie:[a=1]] len=0 body=""`:                                get("cookie=a=1"),
		`GET / host=x url=/ map[Expect:[other]] len=0 body=""`:                              get("expect=other"),
		`GET / host=x url=/ map[X-A:[1 2] X-B:[]] len=0 body=""`:                            get("x-a=1", "x-b=", "x-a=2"),
		`GET / host=x url=/ map[A:[1] B:[2] C:[3] D:[4] E:[5] F:[6]] len=0 body=""`:         get("a=1", "b=2", "c=3", "d=4", "e=5", "f=6"),
		`CONNECT x:1 host=x:1 url=//x:1 map[] len=0 body=""`:                                {":method=CONNECT", ":authority=x:1"},
		`GET / host=x url=/ map[] len=0 body="" trailer=map[A:[] B:[]]`:                     get("trailer=a, b", "trailer=trailer,content-length , transfer-encoding,,"),
		`GET / host=x url=/ map[Priority:[u=1]] len=0 body=""`:                              get("priority=u=1"),
		`GET / host= url=/ map[] len=0 body=""`:                                             {":method=GET", ":scheme=http", ":path=/"},
		`GET / host=x url=/ map[X-A` + strings.Repeat("a", 99) + `:[1]] len=0 body=""`:      get("x-" + strings.Repeat("a", 100) + "=1"),
		`GET / host=x url=/ map[Accept:[` + strings.Repeat("v", 20000) + `]] len=0 body=""`: get("accept=" + strings.Repeat("v", 20000)),
	} {
		onServer(t, &Server{}, func(r *rig) {
			for id := range uint32(2) { // what was learned of names is used the second time
				r.seen = nil
				b := r.block(fields...)
				n := min(len(b), frameSize)
				_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*id + 1, BlockFragment: b[:n], EndStream: true, EndHeaders: n == len(b)})
				for b = b[n:]; len(b) > 0; b = b[n:] {
					n = min(len(b), frameSize)
					_ = r.fr.WriteContinuation(2*id+1, n == len(b), b[:n])
				}
				r.send()
				r.saw(want)
			}
		})
	}
}
