// Package sockopt asks for and sets what each system calls by another name on a
// socket: the groups of multicast, and who is at the other end of a unix socket.
// It knows descriptors only. What a system does not have returns
// [errors.ErrUnsupported].
package sockopt

// Credentials are those that a process had when it connected or listened.
type Credentials struct {
	PID int // the process; 0 where the system does not tell
	UID int // its effective user
	GID int // its effective group
}
