package insight

import (
	"net"
	"net/http"
)

func listen(dir string) (net.Listener, string, error) { return listenLoopback(dir) }

// listenerGuard wants the token in each request: any user reaches a loopback address.
func listenerGuard(l net.Listener, h http.Handler) http.Handler {
	return requireToken(l.(*loopbackListener), h)
}
