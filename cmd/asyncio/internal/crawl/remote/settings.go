package remote

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/url"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/gobvalue"
)

// Settings are how an owner wants fetches to be made: those of the options of fetch
// that a crawl has.
type Settings struct {
	AllowPrivate   bool
	UserAgent      string
	Headers        []fetch.Header
	User, Password string
	HasUser        bool
	HasPassword    bool
	Proxy          *string
	Resolve        []fetch.ResolveRule
	CA             []byte // certificates of authorities; none: the system's, of the member
	Insecure       bool
	Compressed     bool
	HTTP           fetch.HTTPVersion
	ConnectTimeout time.Duration
	MaxTime        time.Duration
	SpeedLimit     int64
	SpeedTime      time.Duration
}

// NewSettings returns the settings that are in options. What is in their TLS
// configuration cannot be sent; ca and insecure stand for it.
func NewSettings(o *fetch.Options, agent string, allowPrivate bool, ca []byte, insecure bool) *Settings {
	s := &Settings{
		AllowPrivate: allowPrivate, UserAgent: agent, Headers: o.Headers, Proxy: o.Proxy, Resolve: o.Resolve,
		CA: ca, Insecure: insecure, Compressed: o.Compressed, HTTP: o.HTTP, ConnectTimeout: o.ConnectTimeout,
		MaxTime: o.MaxTime, SpeedLimit: o.SpeedLimit, SpeedTime: o.SpeedTime,
	}
	if o.User != nil {
		s.HasUser, s.User = true, o.User.Username()
		s.Password, s.HasPassword = o.User.Password()
	}
	return s
}

// encode returns the settings for the wire, and their name.
func (s *Settings) encode() (p []byte, id string, err error) {
	p, err = gobvalue.Encode(s)
	sum := sha256.Sum256(p)
	return p, hex.EncodeToString(sum[:8]), err
}

// options are the options of fetch again, on a member.
func (s *Settings) options() (fetch.Options, error) {
	o := fetch.Options{
		UserAgent: &s.UserAgent, Headers: s.Headers, Proxy: s.Proxy, Resolve: s.Resolve, Compressed: s.Compressed,
		HTTP: s.HTTP, ConnectTimeout: s.ConnectTimeout, MaxTime: s.MaxTime, SpeedLimit: s.SpeedLimit, SpeedTime: s.SpeedTime,
		TLS: &tls.Config{InsecureSkipVerify: s.Insecure, ClientSessionCache: tls.NewLRUClientSessionCache(256)},
	}
	if s.HasUser {
		if o.User = url.User(s.User); s.HasPassword {
			o.User = url.UserPassword(s.User, s.Password)
		}
	}
	if len(s.CA) > 0 {
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(s.CA) {
			return o, errors.New("the owner's certificates of authorities hold none")
		}
	}
	return o, nil
}
