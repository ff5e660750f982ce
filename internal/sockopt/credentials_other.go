//go:build !linux && !darwin

package sockopt

import "errors"

// PeerCredentials returns who is at the other end of the unix socket fd.
func PeerCredentials(uintptr) (Credentials, error) { return Credentials{}, errors.ErrUnsupported }
