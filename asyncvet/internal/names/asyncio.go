package names

import (
	"go/types"
	"strings"
)

// The packages whose functions are known by name and not analysed.
const (
	Asyncio = "github.com/asyncio-go/asyncio"
	HTTP    = Asyncio + "/asynchttp"
)

// A Func is what is known of a function of asyncio. Its zero value says what
// holds where the table has no entry: it waits if its first parameter is a
// context, has no use for functions, and may be called anywhere.
type Func struct {
	Waits  Wait
	Runs   Role // what becomes of its function arguments
	Blocks Kind // on which it must not be called on the loop
	OnLoop bool // it touches what belongs to a loop, and is for its goroutine only
	Quick  bool // it takes a context and yet does not wait
	Starts bool // it makes a task on the loop of its context, and needs one
	Asks   bool // its result says whether there is a loop
	Owns   bool // its goroutine becomes, or makes, a loop's
}

// asyncio is all that the checker knows of the API by name. A rename there is a
// rename here; a test looks each name up in the package.
var asyncio = map[string]map[string]Func{
	Asyncio: {
		// A loop's run.
		"Run":                   {Runs: Task, Blocks: Nested, Owns: true},
		"Main":                  {Runs: Task, Blocks: Nested, Owns: true},
		"RunValue":              {Runs: Task, Blocks: Nested, Owns: true},
		"RunOn":                 {Runs: Task, Blocks: Nested, Owns: true},
		"Runner.Run":            {Runs: Task, Blocks: Nested, Owns: true},
		"Runner.Close":          {Blocks: Nested, Owns: true},
		"Workers":               {Runs: Task, Blocks: Nested, Owns: true},
		"Loop.RunForever":       {Blocks: Nested, Owns: true},
		"Loop.RunUntilComplete": {Blocks: Nested, Owns: true},
		"Loop.Close":            {Owns: true},
		"NewLoop":               {Owns: true},
		"NewRunner":             {Owns: true},

		// Between goroutines.
		"RunCoroutineThreadsafe":       {Runs: Task, Blocks: Outside},
		"CaptureWaitGraph":             {Blocks: Outside},
		"Loop.Look":                    {Blocks: Outside},
		"NotifyIncidents":              {Runs: Thread},
		"SyncSide.Get":                 {Blocks: Outside},
		"SyncSide.Put":                 {Blocks: Outside},
		"SyncSide.Join":                {Blocks: Outside},
		"SyncSide.All":                 {Blocks: Outside},
		"Executor.Shutdown":            {Blocks: Sync},
		"ThreadPoolExecutor.Shutdown":  {Blocks: Sync},
		"ProcessPoolExecutor.Shutdown": {Blocks: Sync},
		"Executor.Submit":              {Quick: true, Runs: Thread},
		"ThreadPoolExecutor.Submit":    {Quick: true, Runs: Thread},
		"ToThread":                     {Waits: Always, Runs: Thread},
		"ToExecutor":                   {Waits: Always, Runs: Thread},
		"RunInExecutor":                {Runs: Thread},
		"WrapFuture":                   {Runs: Thread},
		"RegisterWorker":               {Runs: Thread},
		"WithResolver":                 {Runs: Thread},
		"Dialer.DialContext":           {Quick: true}, // waits on the loop, and works on any goroutine
		"Dialer.DialShared":            {Quick: true},
		"Loop.CallSoonThreadsafe":      {Runs: Callback},

		// Tasks.
		"CreateTask":         {Quick: true, Starts: true, Runs: Task},
		"Go":                 {Quick: true, Starts: true, Runs: Task},
		"CreateTaskOn":       {OnLoop: true, Runs: Task},
		"Spawn":              {OnLoop: true, Runs: Task},
		"TaskGroup.Go":       {OnLoop: true, Runs: Task},
		"TaskGroup.Cancel":   {OnLoop: true},
		"StartServer":        {Waits: Always, Runs: Task},
		"Worker.StartServer": {Waits: Always, Runs: Task},
		"RunningLoop":        {Quick: true, Asks: true},
		"CurrentTask":        {Quick: true, Asks: true},
		"AllTasks":           {Quick: true},

		// Bodies that run in the task that calls.
		"Group":              {Waits: Always, Runs: Called},
		"Timeout":            {Waits: Always, Runs: Called},
		"TimeoutAt":          {Waits: Always, Runs: Called},
		"TimeoutValue":       {Waits: Always, Runs: Called},
		"TimeoutScope.Run":   {Waits: Always, Runs: Called},
		"TimeoutScope.RunAt": {Waits: Always, Runs: Called},
		"CancelScope.Run":    {Waits: Always, Runs: Called},
		"MoveOnAfter":        {Waits: Always, Runs: Called},
		"FailAfter":          {Waits: Always, Runs: Called},
		"Lock.With":          {Waits: Always, Runs: Called},
		"Semaphore.With":     {Waits: Always, Runs: Called},
		"Condition.With":     {Waits: Always, Runs: Called},

		// Callbacks.
		"Loop.CallSoon":               {OnLoop: true, Runs: Callback},
		"Loop.CallAt":                 {OnLoop: true, Runs: Callback},
		"Loop.CallLater":              {OnLoop: true, Runs: Callback},
		"Loop.AddReader":              {OnLoop: true, Runs: Callback},
		"Loop.AddWriter":              {OnLoop: true, Runs: Callback},
		"Loop.AddSignalHandler":       {OnLoop: true, Runs: Callback},
		"Loop.SetExceptionHandler":    {OnLoop: true, Runs: Callback},
		"WithExceptionHandler":        {Runs: Callback},
		"Condition.WaitFor":           {Waits: Always, Runs: Callback},
		"Loop.CreateConnection":       {Waits: Always, Runs: Callback},
		"Loop.CreateServer":           {Waits: Always, Runs: Callback},
		"Worker.CreateServer":         {Waits: Always, Runs: Callback},
		"Loop.CreateDatagramEndpoint": {Waits: Always, Runs: Callback},
		"Loop.ConnectReadPipe":        {Waits: Always, Runs: Callback},
		"Loop.ConnectWritePipe":       {Waits: Always, Runs: Callback},
		"Loop.ConnectAcceptedSocket":  {Waits: Always, Runs: Callback},
		"Loop.SubprocessExec":         {Waits: Always, Runs: Callback},
		"Loop.SubprocessShell":        {Waits: Always, Runs: Callback},
		"Future.AddDoneCallback":      {OnLoop: true, Runs: Callback},
		"Task.AddDoneCallback":        {OnLoop: true, Runs: Callback},
		"Awaitable.AddDoneCallback":   {OnLoop: true, Runs: Callback},

		// What belongs to a loop.
		"Loop.Stop":               {OnLoop: true},
		"Loop.RemoveReader":       {OnLoop: true},
		"Loop.RemoveWriter":       {OnLoop: true},
		"Future.SetResult":        {OnLoop: true},
		"Future.SetError":         {OnLoop: true},
		"Future.Cancel":           {OnLoop: true},
		"Task.Cancel":             {OnLoop: true},
		"Task.Uncancel":           {OnLoop: true},
		"AnyTask.Uncancel":        {OnLoop: true},
		"Awaitable.Cancel":        {OnLoop: true},
		"Queue.PutNowait":         {OnLoop: true},
		"Queue.GetNowait":         {OnLoop: true},
		"Queue.Shutdown":          {OnLoop: true},
		"Queue.TaskDone":          {OnLoop: true},
		"Event.Set":               {OnLoop: true},
		"Event.Clear":             {OnLoop: true},
		"Lock.Release":            {OnLoop: true},
		"Semaphore.Release":       {OnLoop: true},
		"Condition.Release":       {OnLoop: true},
		"Condition.Notify":        {OnLoop: true},
		"Condition.NotifyAll":     {OnLoop: true},
		"Handle.Cancel":           {OnLoop: true},
		"TimerHandle.Cancel":      {OnLoop: true},
		"CancelScope.Cancel":      {OnLoop: true},
		"CancelScope.SetDeadline": {OnLoop: true},
		"CancelScope.SetShield":   {OnLoop: true},
		"TimeoutScope.Reschedule": {OnLoop: true},
		"Server.Close":            {OnLoop: true},
		"Server.CloseClients":     {OnLoop: true},
		"Server.AbortClients":     {OnLoop: true},
		"StreamReader.FeedData":   {OnLoop: true},
		"StreamReader.FeedEOF":    {OnLoop: true},
		"StreamReader.SetError":   {OnLoop: true},
		"StreamWriter.WriteEOF":   {OnLoop: true},
		"StreamWriter.Close":      {OnLoop: true},
		"StreamWriter.Abort":      {OnLoop: true},
		"Transport.Write":         {OnLoop: true},
		"Transport.WriteEOF":      {OnLoop: true},
		"Transport.Close":         {OnLoop: true},
		"Transport.Abort":         {OnLoop: true},
		"Transport.PauseReading":  {OnLoop: true},

		// Streams, as io knows them.
		"StreamReader.Read":         {Waits: Always},
		"StreamWriter.Write":        {Waits: Held},
		"StreamWriter.WriteLines":   {Waits: Held},
		"StreamWriter.WriteContext": {Waits: Held},
	},
	HTTP: {
		"Transport.RoundTrip":       {Waits: Always},
		"DefaultClient":             {Quick: true},
		"Server.RegisterOnShutdown": {Runs: Task},
	},

	// Of these the rest is found out from their own text.
	Asyncio + "/asyncfile": {"Do": {Waits: Always, Runs: Thread}},
	Asyncio + "/asyncsql":  {"Conn.Raw": {Waits: Always, Runs: Thread}, "DB.RunInTx": {Waits: Always, Runs: Thread}},
	Asyncio + "/sim": {
		"Host.Program": {Runs: Task},

		// What makes a world runs on a goroutine that takes turns with its loops.
		"Run":  {},
		"Test": {},
		"Fuzz": {},
	},
}

// fields says what becomes of functions that fields are set to.
var fields = map[string]map[string]Role{
	Asyncio: {
		"LookOptions.Each": Thread,
	},
	HTTP: {
		"Server.BaseContext":               Task,
		"Server.ConnContext":               Task,
		"Server.ConnState":                 Callback,
		"Transport.Proxy":                  Task,
		"Transport.OnProxyConnectResponse": Task,
		"Transport.DialContext":            Task,
		"Retrier.Retry":                    Task,
		"Retrier.OnRetry":                  Task,
		"AccessLog.OnTrouble":              Thread,
	},
	Asyncio + "/flow": {
		"Retries.If":     Task,
		"Retries.Before": Task,
	},
}

// The names that the rules look for themselves.
const (
	ClientFunc    = "DefaultClient" // of [HTTP]: what it returns waits
	ServerType    = "Server"        // of [HTTP]: its handlers run on the loop
	ServerHandler = "Handler"       // the field
	DialerFunc    = "NewDialer"
	ConnMethod    = "Stream.Conn" // a net.Conn that is the loop's
	IsCancelled   = "IsCancelled"
	Cancelling    = "Task.Cancelling"
)

// StreamTypes are the types that other people's readers and writers wrap.
var StreamTypes = []string{"Stream", "StreamReader", "StreamWriter"}

// Protocols are the interfaces whose methods a loop calls.
var Protocols = []string{"Protocol", "BufferedProtocol", "DatagramProtocol", "SubprocessProtocol"}

// BothWorlds are the errors that only code names that expects to be called on the
// wrong goroutine, outside of a task or while a loop runs.
var BothWorlds = []string{"ErrWrongGoroutine", "ErrNoRunningLoop", "ErrNotInTask", "ErrLoopRunning"}

// Known reports whether path is one of the packages that are known by name.
func Known(path string) bool { return path == Asyncio || path == HTTP }

// Lookup returns what is known of a function of asyncio. It reports false for
// any other function.
func Lookup(fn *types.Func) (Func, bool) {
	known, listed := entry(asyncio, fn)
	if listed && !Known(Path(fn)) {
		return known, true
	}
	if fn == nil || !Known(Path(fn)) {
		return Func{}, false
	}
	if known.Waits == Never && known.Blocks == "" && !known.Quick && fn.Exported() && ContextFirst(fn) && !known.Owns {
		known.Waits = Always
	}
	return known, true
}

// Fields returns the fields of a package of asyncio that are set to functions, and what
// becomes of those.
func Fields(pkg *types.Package) map[*types.Var]Role {
	found := make(map[*types.Var]Role)
	for name, role := range fields[pkg.Path()] {
		typ, field, _ := strings.Cut(name, ".")
		if o := pkg.Scope().Lookup(typ); o != nil {
			if v, _, _ := types.LookupFieldOrMethod(o.Type(), true, pkg, field); v != nil {
				found[v.(*types.Var)] = role
			}
		}
	}
	return found
}

// ContextFirst reports whether the first parameter of fn is a context.
func ContextFirst(fn *types.Func) bool {
	params := fn.Signature().Params()
	return params.Len() > 0 && IsContext(params.At(0).Type())
}

// IsStream reports whether t is a stream or one of its halves.
func IsStream(t types.Type) bool {
	for _, name := range StreamTypes {
		if Is(t, Asyncio, name) {
			return true
		}
	}
	return false
}
