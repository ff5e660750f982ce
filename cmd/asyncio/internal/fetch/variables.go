package fetch

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A variable is one of curl's --write-out. text appends it as -w shows it;
// value appends it as JSON.
type variable struct {
	name        string
	text, value func(b []byte, r *Result) []byte
}

// variables are all there are, in the order in which JSON has them.
var variables = []variable{
	str("content_type", func(r *Result) string { return r.ContentType }),
	str("errormsg", (*Result).ErrorMessage),
	num("exitcode", func(r *Result) int64 { return int64(r.ExitCode()) }),
	str("filename_effective", func(r *Result) string { return r.Filename }),
	status("http_code", func(r *Result) int { return r.Code }),
	status("http_connect", func(r *Result) int { return r.ConnectCode }),
	plain("http_version", func(r *Result) string { return orElse(r.HTTPVersion, "0") }),
	plain("local_ip", func(r *Result) string { return address(r.Local) }),
	num("local_port", func(r *Result) int64 { return int64(r.Local.Port()) }),
	plain("method", func(r *Result) string { return r.Method }),
	num("num_connects", func(r *Result) int64 { return int64(r.Connects) }),
	num("num_headers", func(r *Result) int64 { return int64(r.Headers) }),
	num("num_redirects", func(r *Result) int64 { return int64(r.Redirects) }),
	num("num_retries", func(r *Result) int64 { return int64(r.Retries) }),
	str("redirect_url", func(r *Result) string { return r.RedirectURL }),
	str("referer", func(r *Result) string { return r.Referer }),
	plain("remote_ip", func(r *Result) string { return address(r.Remote) }),
	num("remote_port", func(r *Result) int64 { return int64(r.Remote.Port()) }),
	status("response_code", func(r *Result) int { return r.Code }),
	str("scheme", func(r *Result) string { return strings.ToUpper(r.Scheme) }),
	num("size_download", func(r *Result) int64 { return r.Downloaded }),
	num("size_header", func(r *Result) int64 { return r.HeaderSize }),
	num("size_request", func(r *Result) int64 { return r.RequestSize }),
	num("size_upload", func(r *Result) int64 { return r.Uploaded }),
	num("speed_download", (*Result).Speed),
	num("speed_upload", (*Result).UploadSpeed),
	span("time_appconnect", func(r *Result) time.Duration { return r.Times.AppConnect }),
	span("time_connect", func(r *Result) time.Duration { return r.Times.Connect }),
	span("time_namelookup", func(r *Result) time.Duration { return r.Times.NameLookup }),
	span("time_pretransfer", func(r *Result) time.Duration { return r.Times.PreTransfer }),
	span("time_redirect", func(r *Result) time.Duration { return r.Times.Redirect }),
	span("time_starttransfer", func(r *Result) time.Duration { return r.Times.StartTransfer }),
	span("time_total", func(r *Result) time.Duration { return r.Times.Total }),
	plain("url", func(r *Result) string { return r.URL }),
	plain("url_effective", func(r *Result) string { return r.Effective }),
	num("urlnum", func(r *Result) int64 { return int64(r.Number) }),
}

// str is a text that JSON has as null when it is empty.
func str(name string, get func(*Result) string) variable {
	v := plain(name, get)
	quoted := v.value
	v.value = func(b []byte, r *Result) []byte {
		if get(r) == "" {
			return append(b, "null"...)
		}
		return quoted(b, r)
	}
	return v
}

// plain is a text that is one also when it is empty.
func plain(name string, get func(*Result) string) variable {
	return variable{name,
		func(b []byte, r *Result) []byte { return append(b, get(r)...) },
		func(b []byte, r *Result) []byte { return appendString(b, get(r)) },
	}
}

func num(name string, get func(*Result) int64) variable {
	f := func(b []byte, r *Result) []byte { return strconv.AppendInt(b, get(r), 10) }
	return variable{name, f, f}
}

// status is a number that -w shows with three digits at least.
func status(name string, get func(*Result) int) variable {
	return variable{name,
		func(b []byte, r *Result) []byte {
			n := get(r)
			for limit := 100; n < limit && limit > 1; limit /= 10 {
				b = append(b, '0')
			}
			return strconv.AppendInt(b, int64(n), 10)
		},
		func(b []byte, r *Result) []byte { return strconv.AppendInt(b, int64(get(r)), 10) },
	}
}

// span is a time in seconds, to the microsecond.
func span(name string, get func(*Result) time.Duration) variable {
	f := func(b []byte, r *Result) []byte { return strconv.AppendFloat(b, get(r).Seconds(), 'f', 6, 64) }
	return variable{name, f, f}
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().Unmap().String()
}

func appendString(b []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // of a string it cannot fail
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendJSON appends the result as one JSON object, without a line end.
func appendJSON(b []byte, r *Result) []byte {
	for i, v := range variables {
		if i == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, v.name...)
		b = append(b, '"', ':')
		b = v.value(b, r)
	}
	return append(b, '}')
}

// appendHeaderJSON appends the response's header as a JSON object: names in
// lower case, each with a list of its values.
func appendHeaderJSON(b []byte, h http.Header) []byte {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, strings.ToLower(name))
		b = append(b, ':', '[')
		for k, v := range h[name] {
			if k > 0 {
				b = append(b, ',')
			}
			b = appendString(b, v)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}
