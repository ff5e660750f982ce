package simdisk

// An Op is a kind of change of a disk, for a world's trace.
type Op uint8

// The kinds of changes.
const (
	OpCreate  Op = iota // a file or a directory has a name
	OpRemove            // it has none any more
	OpRename            // it has another: the new one
	OpWrite             // bytes were written
	OpResize            // a file was cut off or made longer
	OpSync              // it is on the disk
	OpFailure           // a call has failed with EIO
	OpRot               // a bit was turned over
	OpCrash             // of what was not synced, this is what is there

	numOps
)

var opNames = [numOps]string{"create", "remove", "rename", "write", "resize", "sync", "failure", "rot", "crash"}

func (o Op) String() string { return opNames[o] }
