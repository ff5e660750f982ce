package asyncio

// The calls on bare sockets, for descriptors that are as no socket is.
var (
	SockConnect   = sockConnect
	SockConnected = sockConnected
	SockAccept    = sockAccept
	SocketOf      = socketOf
)
