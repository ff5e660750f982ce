package sim

// A Kind says what a line of a world's trace tells of.
type Kind uint8

// The kinds of a trace. What A and B of a line are stands beside them.
const (
	Turn     Kind = iota // a host takes a turn of its loop: incarnation
	Leap                 // the clock goes on
	Stall                // all hosts are held up: for how long
	Boot                 // a host starts: incarnation
	Crash                // a host crashes: incarnation
	Pause                // a host stands still: for how long
	Skew                 // the clock of a host is set: by how much
	Cut                  // a link is cut, or whole again: the other host, 1 or 0
	Dial                 // a connection is asked for: connection, port
	Connect              // it is made: connection, port
	Refuse               // it is refused: connection, port
	Segment              // bytes have arrived: connection, length and checksum
	Lost                 // something was lost under way: connection, tries
	Fin                  // the end of a stream has arrived: connection
	Reset                // a reset has arrived: connection
	TimedOut             // a connection has timed out: connection
	Datagram             // a datagram has arrived: port, length and checksum
	Dropped              // a datagram was dropped: port, length
	Job                  // a job of an executor runs: number
	Name                 // a name is looked up: its checksum, the addresses found
	Note                 // something of the user's

	numKinds
)

var kindNames = [numKinds]string{"turn", "leap", "stall", "boot", "crash", "pause", "skew", "cut", "dial", "connect", "refuse",
	"segment", "lost", "fin", "reset", "timeout", "datagram", "dropped", "job", "name", "note"}

// String returns the kind as one word.
func (k Kind) String() string { return kindNames[k] }
