package cli_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSameBytesAsCurl runs the same command on both.
func TestSameBytesAsCurl(t *testing.T) {
	u := newSite(t)
	raw := newRawSite(t, misbehave)
	for name, args := range map[string][]string{
		"plain":                {u + "/plain"},
		"nothing":              {u + "/empty"},
		"no content":           {u + "/nothing"},
		"chunked":              {u + "/chunked"},
		"HTTP/1.0":             {raw + "/http10"},
		"gzip as it is":        {u + "/gzip"},
		"gzip":                 {"--compressed", u + "/gzip"},
		"deflate":              {"--compressed", u + "/deflate"},
		"deflate with header":  {"--compressed", u + "/zlib"},
		"zstd":                 {"--compressed", u + "/zstd"},
		"not packed":           {"--compressed", u + "/plain"},
		"404":                  {u + "/status/404"},
		"404 is an error":      {"-f", u + "/status/404"},
		"redirects":            {"-L", u + "/hops/5"},
		"one redirect":         {u + "/hops/5"},
		"too many redirects":   {"-L", "--max-redirs", "3", u + "/hops/5"},
		"just enough":          {"-L", "--max-redirs", "5", u + "/hops/5"},
		"dots in the path":     {u + "/x/../echo", "-A", "x"},
		"GET":                  {u + "/echo?a=b&c=%20d", "-A", "x"},
		"method":               {"-X", "DELETE", u + "/echo", "-A", "x"},
		"POST":                 {"-d", "a=b", "-d", "c d", u + "/echo", "-A", "x"},
		"PUT":                  {"-X", "PUT", "-d", "a=b", u + "/echo", "-A", "x"},
		"POST of nothing":      {"-d", "", u + "/echo", "-A", "x"},
		"headers":              {"-H", "X-A: 1", "-H", "X-A: 2", "-H", "Accept:", "-H", "X-B;", u + "/echo", "-A", "x"},
		"no agent":             {"-A", "", u + "/echo"},
		"no agent by header":   {"-H", "User-Agent:", u + "/echo"},
		"agent by header":      {"-H", "user-agent: me", u + "/echo"},
		"host":                 {"-H", "Host: example.com", u + "/echo", "-A", "x"},
		"content type":         {"-d", "{}", "-H", "content-type: application/json", u + "/echo", "-A", "x"},
		"user":                 {"-u", "me:secret", u + "/echo", "-A", "x"},
		"user in the URL":      {strings.Replace(u, "http://", "http://me:secret@", 1) + "/echo", "-A", "x"},
		"301 of a POST":        {"-L", "-d", "a", u + "/to/301?to=/echo", "-A", "x"},
		"302 of a POST":        {"-L", "-d", "a", u + "/to/302?to=/echo", "-A", "x"},
		"303 of a POST":        {"-L", "-d", "a", u + "/to/303?to=/echo", "-A", "x"},
		"307 of a POST":        {"-L", "-d", "a", u + "/to/307?to=/echo", "-A", "x"},
		"308 of a POST":        {"-L", "-d", "a", u + "/to/308?to=/echo", "-A", "x"},
		"307 of a PUT":         {"-L", "-X", "PUT", "-d", "a", u + "/to/307?to=/echo", "-A", "x"},
		"302 of a PUT":         {"-L", "-X", "PUT", "-d", "a", u + "/to/302?to=/echo", "-A", "x"},
		"303 of a PUT":         {"-L", "-X", "PUT", "-d", "a", u + "/to/303?to=/echo", "-A", "x"},
		"302 with POST named":  {"-L", "-X", "POST", "-d", "a", u + "/to/302?to=/echo", "-A", "x"},
		"303 with a method":    {"-L", "-X", "DELETE", u + "/to/303?to=/echo", "-A", "x"},
		"300 and others":       {"-L", u + "/to/300?to=/to/305%3Fto=/to/399%3Fto=/echo", "-A", "x"},
		"301 with a method":    {"-L", "-X", "DELETE", u + "/to/301?to=/echo", "-A", "x"},
		"user stays":           {"-L", "-u", "a:b", u + "/to/302?to=/echo", "-A", "x"},
		"user does not go on":  {"-L", "-u", "a:b", "-H", "Cookie: c", "-H", "X-A: stays", u + "/to/302?to=" + strings.Replace(u, "127.0.0.1", "localhost", 1) + "/echo", "-A", "x"},
		"redirect with spaces": {"-L", u + "/to/302?to=/echo%3Fa%20b", "-A", "x"},
		"redirect to a ..":     {"-L", u + "/to/302?to=../to/../echo", "-A", "x"},
		"resolve":              {"--resolve", "some.where:80:127.0.0.9", "--resolve", "*:" + portOf(u) + ":127.0.0.1", "http://else.where:" + portOf(u) + "/echo", "-A", "x"},
		"max-filesize":         {"--max-filesize", "1k", u + "/zeros/2000"},
		"write out": {"-w", `%{http_code} %{response_code} %{size_download} %{num_redirects} %{url} %{url_effective} %{redirect_url} %{content_type} %{http_version} %{method} %{scheme} %{remote_ip} %{remote_port} %{num_connects} %{exitcode} %{errormsg} %header{Content-Length} %{urlnum} %%\n`,
			"-L", u + "/hops/3"},
		"write out of an error": {"-w", `%{onerror}%{http_code} %{exitcode} %{size_download}\n`, "-f", u + "/status/500"},
		"sizes":                 {"-w", `%{size_header} %{num_headers} %{size_upload} %{size_request}`, "-A", "x", "-d", "abc", u + "/echo"},
		"proxy":                 {"-H", "Proxy-Connection:", "-x", u, "http://some.where/echo", "-A", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "zstd" && !curlHas(t, "zstd") {
				t.Skip("this curl does not know zstd")
			}
			want := curl(t, args...)
			got := fetch(t, append([]string{"-sS"}, args...)...)
			// A POST or PUT of nothing has a Content-Length here, as it should; in curl not always.
			if name != "POST of nothing" {
				got.out = strings.Replace(got.out, "Content-Length: 0\r\nUser-Agent", "User-Agent", 1)
			}
			if got.code != want.code || got.out != want.out {
				t.Errorf("%q: (%d) %.300q, %s; curl: (%d) %.300q, %s", args, got.code, got.out, got.errs, want.code, want.out, want.errs)
			}
		})
	}
}

func portOf(u string) string { return u[strings.LastIndexByte(u, ':')+1:] }

func TestHTTPSWithAPrivateAuthority(t *testing.T) {
	u, ca := newTLSSite(t)
	port := portOf(u)
	for name, args := range map[string][]string{
		"authority":             {"--cacert", ca, u + "/plain"},
		"no authority":          {u + "/plain"},
		"insecure":              {"-k", u + "/plain"},
		"another name":          {"--cacert", ca, "--resolve", "other.org:" + port + ":127.0.0.1", "https://other.org:" + port + "/plain"},
		"name":                  {"--cacert", ca, "--resolve", "example.com:" + port + ":127.0.0.1", "https://example.com:" + port + "/plain"},
		"no such file":          {"--cacert", "/nonexistent", u + "/plain"},
		"http to an https port": {strings.Replace(u, "https", "http", 1) + "/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := curl(t, args...), fetch(t, append([]string{"-sS"}, args...)...)
			if got.code != want.code || got.out != want.out {
				t.Errorf("(%d) %.300q, %s; curl: (%d) %.300q, %s", got.code, got.out, got.errs, want.code, want.out, want.errs)
			}
		})
	}
	t.Run("https to an http port", func(t *testing.T) {
		plain := strings.Replace(newSite(t), "http", "https", 1)
		if want, got := curl(t, plain), fetch(t, "-sS", plain); got.code != want.code || !strings.Contains(got.errs, "(35) "+plain) {
			t.Errorf("(%d) %s; curl: (%d) %s", got.code, got.errs, want.code, want.errs)
		}
	})
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("there is no IPv6 here:", err)
	}
	s := httptest.NewUnstartedServer(site())
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	u := "http://" + l.Addr().String() + "/plain"
	if want, got := curl(t, u), fetch(t, "-s", u); got.code != 0 || got.out != want.out {
		t.Fatalf("(%d) %s", got.code, got.errs)
	}
	got := fetch(t, "-s", "--resolve", "six.example:"+portOf(s.URL)+":[::1]", "http://six.example:"+portOf(s.URL)+"/echo", "-A", "x")
	if got.code != 0 || !strings.Contains(got.out, "host=six.example") {
		t.Fatalf("%+v", got)
	}
}

func TestErrorsBeforeThereIsAConnection(t *testing.T) {
	const refusing = "http://127.0.0.1:1/"
	for _, u := range []string{refusing, "http://no.such.host.invalid/", "foo://a/", "http://", "http://a b/", "http://[::1/", "http://127.0.0.1:99999/"} {
		want, got := curl(t, "-g", u), fetch(t, "-sS", u)
		if got.code != want.code || !strings.HasPrefix(got.errs, fmt.Sprintf("asyncio: (%d) %s: ", want.code, u)) || strings.Count(got.errs, "\n") != 1 {
			t.Errorf("%s: %+v; curl: %+v", u, got, want)
		}
	}
	for _, args := range [][]string{{}, {"--nope", refusing}, {"--rate", "x", refusing}, {"--max-time", "x", refusing}} {
		want, got := curl(t, args...), fetch(t, args...)
		if got.code != 2 || want.code != 2 || !strings.HasPrefix(got.errs, "asyncio: (2) ") {
			t.Errorf("%q: %+v; curl: %+v", args, got, want)
		}
	}
	proxied := fetch(t, "-sS", "-x", "no.such.proxy.invalid:1", refusing)
	if want := curl(t, "-x", "no.such.proxy.invalid:1", refusing); proxied.code != want.code {
		t.Errorf("%+v; curl: %+v", proxied, want)
	}
}

// TestJSONHasWhatCurlHas compares a line of --ndjson with curl's %{json}.
func TestJSONHasWhatCurlHas(t *testing.T) {
	u := newSite(t)
	refused := "http://127.0.0.1:1/"
	for _, args := range [][]string{{"-L", u + "/hops/2"}, {"-f", u + "/status/404"}, {"-d", "xyz", u + "/chunked"}, {refused}, {u + "/to/301?to=/echo"}} {
		want, got := map[string]any{}, map[string]any{}
		c := curl(t, append([]string{"-A", "x", "-o", os.DevNull, "-w", "%{json}"}, args...)...)
		if err := json.Unmarshal([]byte(c.out), &want); err != nil {
			t.Fatal(err)
		}
		f := fetch(t, append([]string{"-s", "--ndjson", "-A", "x", "-o", os.DevNull}, args...)...)
		if err := json.Unmarshal([]byte(f.out), &got); err != nil || !strings.HasSuffix(f.out, "}\n") {
			t.Fatalf("%v: %q", err, f.out)
		}
		for name, v := range want {
			if !sameInJSON(name, got[name], v, args[0] == refused) {
				t.Errorf("%q: %s is %v, curl's %v", args, name, got[name], v)
			}
		}
	}
}

// sameInJSON reports whether a variable has curl's value, as far as it can.
// What curl has for a transfer that never was differs by its version.
func sameInJSON(name string, got, want any, refused bool) bool {
	switch name {
	case "certs", "num_certs", "curl_version", "ftp_entry_path", "proxy_ssl_verify_result", "ssl_verify_result", "errormsg":
		return true // not ours, or in other words
	case "local_port", "speed_download", "speed_upload":
		return true // differs from run to run
	case "conn_id", "xfer_id", "num_retries", "time_posttransfer", "proxy_used", "time_queue", "tls_earlydata":
		return true // of later versions
	case "filename_effective":
		return true
	case "scheme":
		return refused || want != nil && got != nil && strings.EqualFold(fmt.Sprint(want), fmt.Sprint(got))
	case "http_version":
		return refused || got == want
	}
	if strings.HasPrefix(name, "time_") {
		_, is := got.(float64)
		return is
	}
	return got == want
}

func TestThousandURLsOverTwentyAddresses(t *testing.T) {
	var list strings.Builder
	addrs := 0
	for i := range 20 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", i+1))
		if err != nil && i > 0 {
			t.Skip("only some loopback addresses are there:", err)
		} else if err != nil {
			t.Fatal(err)
		}
		addrs++
		s := &http.Server{Handler: site()}
		go s.Serve(l)
		defer s.Close()
		for k := range 50 {
			fmt.Fprintf(&list, "http://%s/page/%d\n", l.Addr(), i*50+k)
		}
	}
	dir := t.TempDir()
	got := fetchFrom(t, list.String(), "-i", "-", "-O", "--output-dir", dir, "--ndjson", "--parallel-max-host", "5")
	if got.code != 0 || strings.Count(got.out, "\n") != 1000 || !strings.Contains(got.errs, "1000 fetched, 0 failed") {
		t.Fatalf("(%d) %d lines, %s", got.code, strings.Count(got.out, "\n"), got.errs)
	}
	for i := range 1000 {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		if want := strings.Repeat(fmt.Sprintf("page %d\n", i), 100); err != nil || string(b) != want {
			t.Fatalf("page %d: %d bytes, %v", i, len(b), err)
		}
	}
	if addrs != 20 {
		t.Error(addrs, "addresses")
	}
}
