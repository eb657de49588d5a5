package stream_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// quiet is a source that says what Build is to hear.
type quiet struct{ info stream.SourceInfo }

func (q quiet) Info() stream.SourceInfo                                               { return q.info }
func (quiet) Run(context.Context, *stream.Intake[string]) error                       { return nil }
func (quiet) Commit(context.Context, map[stream.TopicPartition]stream.Position) error { return nil }

// labelled is a sink whose name is a field.
type labelled struct{ name string }

func (l *labelled) String() string                                  { return l.name }
func (*labelled) Write(context.Context, []stream.Out[string]) error { return nil }

func of(info stream.SourceInfo) stream.Stream[string] {
	return stream.From(func() stream.Source[string] { return quiet{info} })
}

type buildable interface {
	Build(...stream.Option) (*stream.Pipeline, error)
}

func TestBuild(t *testing.T) {
	t.Run("refuses", func(t *testing.T) {
		s := of(stream.SourceInfo{Name: "quiet"})
		same := func(v string) string { return v }
		step := func(opts ...stream.DegreeOption) stream.Stream[string] { return s.Concurrent(2, pass[string], opts...) }
		for name, c := range map[string]struct {
			chain buildable
			opts  []stream.Option
			want  []string // every fault, in order
		}{
			"a zero Stream":              {chain: stream.Stream[string]{}, want: []string{"the Stream is a zero value: start the chain with a source"}},
			"words on a zero Stream":     {chain: stream.Stream[string]{}.Map(echo).CommitEach(), want: []string{"Map(echo): the Stream above it is a zero value: start the chain with a source"}},
			"a Pipe of nothing":          {chain: s.Via(func(stream.Stream[string]) (none stream.Stream[int]) { return none }), want: []string{"Via: the Pipe returned a Stream that does not continue its input: build on the Stream it is given"}},
			"a Pipe of another chain":    {chain: s.Map(echo).Via(func(stream.Stream[string]) stream.Stream[string] { return s.Serial(pass) }), want: []string{"Via: the Pipe returned a Stream that does not continue its input"}},
			"a Pipe below a zero Stream": {chain: stream.Stream[string]{}.Via(func(stream.Stream[string]) stream.Stream[string] { return s.Serial(pass) }), want: []string{"Via: the Stream above it is a zero value: start the chain with a source"}},
			"no source":                  {chain: input, want: []string{"From was given a nil func: pass a function that returns the source"}},
			"a source of nil":            {chain: stream.From(func() stream.Source[string] { return nil }), want: []string{"From's func returned no source"}},
			"a wrong replacement":        {chain: s, opts: []stream.Option{stream.ReplaceSource(func() stream.Source[int] { return nil })}, want: []string{"the same element type"}},
			"faults of the source":       {chain: of(stream.SourceInfo{Faults: []error{errBoom, errOther}}), want: []string{"boom", "other"}},
			"a merge of one":             {chain: stream.Merge(s), want: []string{"Merge: it is given 1 chain: pass two or more"}},
			"a merge of nothing":         {chain: stream.Merge(s, stream.Stream[string]{}), want: []string{"Merge: a chain is a zero value"}},
			"a merge with itself":        {chain: stream.Merge(s, s.Map(echo)), want: []string{"Merge: two of its chains begin at one source, quiet: fork the chain with AlsoTo or DivertTo"}},
			"a merge of one name":        {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}), of(stream.SourceInfo{ID: "x"})), want: []string{`Merge: two sources are named "x": name each with As`}},
			"a merge of one member":      {chain: stream.Merge(of(stream.SourceInfo{ID: "x", Claims: []string{"group g at b:9092"}}), of(stream.SourceInfo{ID: "y", Claims: []string{"group g at b:9092"}})), want: []string{"Merge: two sources are one member: group g at b:9092"}},
			"a commit above a merge":     {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}).Serial(pass).CommitEach(), s).Serial(pass), want: []string{"CommitEach: there is work below it that it does not cover", "CommitEach: it is above a Merge"}},
			"orders that differ":         {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}).GroupByKey(), s).Serial(pass), want: []string{"Merge: it would merge chains that keep order per key and none: group below the Merge"}},
			"order lost above a merge":   {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}).Concurrent(2, pass), s).GroupByKey().Concurrent(2, pass), want: []string{"GroupByKey: Concurrent(pass) above it works without order"}},
			"steps of one name":          {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}).Map(echo, stream.Named("e")), s.Map(echo, stream.Named("e"))), want: []string{"e: two steps have this name"}},
			"a group's transactions":     {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}), s).CommitWith(groupVault{newDatabase()}, 1, 0), want: []string{"its transactions store the offsets of one consumer group"}},
			"a source's name":            {chain: s.As("a/b").As("c"), want: []string{`As: the name "a/b" is empty, or has a space or a slash`, "As: the source has a name already"}},
			"a name below a merge":       {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}), s).As("z"), want: []string{"As: above it are several sources: name each of them above the Merge"}},
			"an unknown replacement":     {chain: s, opts: []stream.Option{stream.ReplaceSourceOf("eu", func() stream.Source[string] { return nil })}, want: []string{`no source is named "eu" to be replaced`}},
			"no commit of two":           {chain: stream.Merge(of(stream.SourceInfo{ID: "x", MustCommit: true}), s).Serial(pass), want: []string{"nothing commits"}},
			"faults of two sources":      {chain: stream.Merge(of(stream.SourceInfo{ID: "x", Faults: []error{errBoom}}), of(stream.SourceInfo{ID: "y", Faults: []error{errOther}})), want: []string{"boom", "other"}},
			"no commit":                  {chain: of(stream.SourceInfo{MustCommit: true}).Serial(pass), want: []string{"nothing commits, so every start would process everything again"}},
			"nowhere to commit":          {chain: of(stream.SourceInfo{NoCommit: "it reads without a group"}).CommitEach(), want: []string{"CommitEach: there is nowhere to commit: it reads without a group: remove the word"}},
			"two commits":                {chain: s.CommitBefore(1, 0).Serial(pass).CommitEvery(1, 0), want: []string{"CommitEvery: a second commit"}},
			"a halt below a commit":      {chain: s.CommitBefore(1, 0).Serial(pass).HaltOnError(), want: []string{"HaltOnError: below a commit there is no record left to halt at: put it above CommitBefore"}},
			"a nil Transactor":           {chain: s.CommitWith(nil, 1, 0), want: []string{"CommitWith: the transactor is nil: pass a Transactor"}},
			"CommitWith 0":               {chain: s.CommitWith(newDatabase(), 0, 0), want: []string{"CommitWith: a transaction of 0 records: size is at least 1"}},
			"work below CommitWith":      {chain: s.CommitWith(newDatabase(), 1, 0).Serial(pass), want: []string{"CommitWith: there is work below it that no transaction would hold: end the chain with CommitWith"}},
			"a skip below CommitWith":    {chain: s.CommitWith(newDatabase(), 1, 0).SkipOnError(), want: []string{"SkipOnError: it would give up finished results"}},
			"a letter below CommitWith":  {chain: s.CommitWith(newDatabase(), 1, 0).DeadLetterOnError(new(sink[stream.Failure])).HaltOnError(), want: []string{"DeadLetterOnError: it would give up finished results"}},
			"work below CommitEvery":     {chain: s.CommitEvery(10, time.Second).Serial(pass), want: []string{"CommitEvery: there is work below it that it does not cover: put it below the work, or use CommitBefore"}},
			"nothing below CommitBefore": {chain: s.Serial(pass).CommitBefore(10, time.Second), want: []string{"CommitBefore: there is no work below it: put it above the work, or use CommitEvery"}},
			"a Close of another shape":   {chain: s.To(closer{}).CommitEach(), want: []string{"stream_test.closer: its Close takes no context, so it would never be called: change it to Close(ctx context.Context) error"}},
			"a count without a wait":     {chain: s.CommitEvery(10, 0), want: []string{"CommitEvery: without a wait, a topic that falls silent before 10 records is never committed: give it a wait, or pass ByCountOnly"}},
			"a Timeout of a Batch":       {chain: s.Batch(2, 0, stream.Timeout(time.Second)).Serial(pass), want: []string{"Batch: Timeout and Use only apply to words that call a function per element"}},
			"CommitWith and CommitEach":  {chain: s.CommitEach().CommitWith(newDatabase(), 1, 0), want: []string{"CommitWith: a second commit"}},
			"a wrong transactor":         {chain: s.CommitWith(wrongVault{}, 1, 0), want: []string{"boom"}},
			"no group for a transactor":  {chain: of(stream.SourceInfo{NoCommit: "it reads without a group"}).CommitWith(wrongVault{}, 1, 0), want: []string{"CommitWith: there is nowhere to commit", "boom"}},
			"CommitEvery 0":              {chain: s.CommitEvery(0, 0), want: []string{"CommitEvery: every 0 records: n is at least 1"}},
			"CommitEvery in the past":    {chain: s.CommitEvery(1, -time.Second), want: []string{"CommitEvery: a wait of -1s"}},
			"Concurrent 0":               {chain: s.Concurrent(0, pass), want: []string{"Concurrent(pass): 0 at a time: n is at least 1"}},
			"MapConcurrent -1":           {chain: s.MapConcurrent(-1, echo), want: []string{"MapConcurrent(echo): -1 at a time: n is at least 1"}},
			"Batch 0":                    {chain: s.Batch(0, 0), want: []string{"Batch: a batch of 0: size is at least 1"}},
			"Batch in the past":          {chain: s.Batch(1, -time.Second), want: []string{"Batch: a wait of -1s"}},
			"Throttle 0":                 {chain: s.Throttle(0, 1), want: []string{"Throttle: 0 a second in bursts of 1 lets nothing pass"}},
			"Throttle NaN":               {chain: s.Throttle(math.NaN(), 1), want: []string{"Throttle: NaN a second in bursts of 1 lets nothing pass"}},
			"Throttle burst 0":           {chain: s.Throttle(1, 0), want: []string{"Throttle: 1 a second in bursts of 0 lets nothing pass"}},
			"a nil Map":                  {chain: s.Map[int](nil), want: []string{"Map: the func is nil: pass a function"}},
			"a nil Filter":               {chain: s.Filter(nil), want: []string{"Filter: the func is nil"}},
			"a nil FlatMap":              {chain: s.FlatMap[int](nil), want: []string{"FlatMap: the func is nil"}},
			"a nil Serial":               {chain: s.Serial(nil), want: []string{"Serial: the func is nil"}},
			"a nil MapSerial":            {chain: s.MapSerial[int](nil), want: []string{"MapSerial: the func is nil"}},
			"a nil Concurrent":           {chain: s.Concurrent(1, nil), want: []string{"Concurrent: the func is nil"}},
			"a nil MapConcurrent":        {chain: s.MapConcurrent[int](1, nil), want: []string{"MapConcurrent: the func is nil"}},
			"a nil GroupBy":              {chain: s.GroupBy[int](nil), want: []string{"GroupBy: the func is nil"}},
			"a nil Transform":            {chain: s.Transform[int]("door", nil), want: []string{"door: the func is nil"}},
			"a nil Via":                  {chain: s.Via[int](nil), want: []string{"Via: the func is nil"}},
			"a nil sink":                 {chain: s.To(nil), want: []string{"To: the sink is nil: pass a Sink"}},
			"a typed nil sink":           {chain: s.To((*sink[string])(nil)), want: []string{"To: the sink is nil: pass a Sink"}},
			"a nil func as a sink":       {chain: s.To(sinkFunc[string](nil)), want: []string{"To: the sink is nil: pass a Sink"}},
			"a typed nil with a name":    {chain: s.To((*labelled)(nil)), want: []string{"To: the sink is nil: pass a Sink"}},
			"a typed nil in a branch":    {chain: s.AlsoTo(func(in stream.Stream[string]) stream.Stream[string] { return in.To((*sink[string])(nil)) }), want: []string{"To: the sink is nil: pass a Sink"}},
			"a typed nil letter sink":    {chain: step().DeadLetterOnError((*sink[stream.Failure])(nil)), want: []string{"DeadLetterOnError: the sink is nil: pass a Sink[Failure]"}},
			"a typed nil Transactor":     {chain: s.CommitWith((*database)(nil), 1, 0), want: []string{"CommitWith: the transactor is nil: pass a Transactor"}},
			"a typed nil source":         {chain: stream.From(func() stream.Source[string] { return (*quiet)(nil) }), want: []string{"From's func returned no source"}},
			"a typed nil replacement":    {chain: s, opts: []stream.Option{stream.ReplaceSource(func() stream.Source[string] { return (*quiet)(nil) })}, want: []string{"From's func returned no source"}},
			"a typed nil middleware":     {chain: step(stream.Use(stream.Middleware(nil))), want: []string{"Concurrent(pass): Use was given a nil middleware"}},
			"a nil dead-letter sink":     {chain: step().DeadLetterOnError(nil), want: []string{"DeadLetterOnError: the sink is nil: pass a Sink[Failure]"}},
			"a nil When":                 {chain: step().SkipOnError(stream.When(nil)), want: []string{"SkipOnError: When was given a nil func"}},
			"a nil OnMatch":              {chain: step().SkipOnError(stream.OnMatch(nil)), want: []string{"SkipOnError: OnMatch was given a nil func"}},
			"a ResumeAfter of nothing":   {chain: step().HaltOnError(stream.ResumeAfter(0)), want: []string{"HaltOnError: ResumeAfter(0s) would not halt"}},
			"ResumeAfter for a skip":     {chain: step().SkipOnError(stream.ResumeAfter(time.Second)), want: []string{"SkipOnError: ResumeAfter on a policy that does not halt"}},
			"MaxAttempts and Unlimited": {chain: step().RetryOnError(stream.RetryPolicy{MaxAttempts: 3, Unlimited: true}),
				want: []string{"RetryOnError: Unlimited and 3 MaxAttempts contradict each other"}},
			"a FirstWait above MaxWait": {chain: step().RetryOnError(stream.RetryPolicy{FirstWait: time.Minute, MaxWait: time.Second}),
				want: []string{"RetryOnError: waits from 1m0s up to 1s"}},
			"Wait beside FirstWait": {chain: step().RetryOnError(stream.RetryPolicy{FirstWait: time.Second, Wait: func(stream.Failure) time.Duration { return 0 }}),
				want: []string{"RetryOnError: Wait replaces FirstWait and MaxWait"}},
			"MaxAttempts -1":                       {chain: step().RetryOnError(stream.RetryPolicy{MaxAttempts: -1}), want: []string{"RetryOnError: MaxAttempts is -1"}},
			"a retry below one that lasts as long": {chain: step().RetryOnError(stream.RetryPolicy{MaxAttempts: 20}).RetryOnError(stream.RetryPolicy{}), want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a retry below one without limit": {chain: step().RetryOnError(stream.RetryPolicy{Unlimited: true}).RetryOnError(stream.RetryPolicy{MaxAttempts: 100}),
				want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a retry below a shorter one": {chain: step().RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).RetryOnError(stream.RetryPolicy{MaxAttempts: 9}), want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a retry below one that ends": {chain: step().RetryOnError(stream.RetryPolicy{}).RetryOnError(stream.RetryPolicy{Unlimited: true}), want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a second retry by a Pipe": {chain: s.GroupByKey().Concurrent(2, pass).RetryOnError(stream.RetryPolicy{}).GroupByKey().Via(func(s stream.Stream[string]) stream.Stream[string] {
				return s.RetryOnError(stream.RetryPolicy{Unlimited: true})
			}), want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a second retry of a transaction": {chain: s.CommitWith(newDatabase(), 1, 0).RetryOnError(stream.RetryPolicy{}).RetryOnError(stream.RetryPolicy{Unlimited: true}), want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a second retry below a merge": {chain: stream.Merge(of(stream.SourceInfo{ID: "x"}).Map(echo).RetryOnError(stream.RetryPolicy{}), s.Map(echo).RetryOnError(stream.RetryPolicy{})).RetryOnError(stream.RetryPolicy{Unlimited: true}),
				want: []string{"RetryOnError: the RetryOnError above it retries every failure of the same steps: make one RetryPolicy of the two"}},
			"a policy above all steps":   {chain: s.SkipOnError().Serial(pass), want: []string{"SkipOnError: no failure can reach this policy"}},
			"a policy below a final one": {chain: step().SkipOnError().HaltOnError(), want: []string{"HaltOnError: no failure can reach this policy"}},
			"a policy below a dead letter and another step": {chain: step().DeadLetterOnError(new(sink[stream.Failure])).SkipOnError().HaltOnError(),
				want: []string{"HaltOnError: no failure can reach this policy"}},
			"a retry of a Transform": {chain: s.Transform("door", func(ctx, in, out) error { return nil }).RetryOnError(stream.RetryPolicy{}),
				want: []string{"RetryOnError: no failure can reach this policy"}},
			"a coarser grouping below a finer one": {chain: s.GroupByKey().Concurrent(2, pass).GroupByPartition().Serial(pass),
				want: []string{"GroupByPartition: above it, order is only kept per key, which is not enough: put the coarser grouping first, or accept the loss of order with Ungroup"}},
			"a grouping by value below one by key": {chain: s.GroupByKey().GroupBy(same).Concurrent(2, pass), want: []string{"GroupBy: above it, order is only kept per key"}},
			"a grouping below one by value":        {chain: s.GroupBy(same).GroupByKey().Concurrent(2, pass), want: []string{"GroupByKey: above it, order is only kept per group"}},
			"a grouping below unordered work":      {chain: step().GroupByKey().Concurrent(2, pass), want: []string{"GroupByKey: Concurrent(pass) above it works without order, so there is no order left to keep"}},
			"a key of a batch":                     {chain: s.Batch(2, 0).GroupByKey().Concurrent(2, pass), want: []string{"GroupByKey: a batch made above it has no single key"}},
			"Serial by key":                        {chain: s.GroupByKey().Serial(pass), want: []string{"Serial(pass): one at a time per key means one goroutine per group, without bound: use Concurrent(n, f)"}},
			"MapSerial by value":                   {chain: s.GroupBy(same).MapSerial(echo), want: []string{"MapSerial(echo): one at a time per group means one goroutine per group, without bound: use MapConcurrent(n, f)"}},
			"a Timeout of 0 for all steps":         {chain: s, opts: []stream.Option{stream.Timeout(0)}, want: []string{"a Timeout of 0s ends every attempt at once"}},
			"a nil middleware for all steps":       {chain: s, opts: []stream.Option{stream.Use(nil)}, want: []string{"Use was given a nil middleware"}},
			"a nil Tap":                            {chain: s.Tap(nil), want: []string{"Tap: the func is nil"}},
			"KeepOrder on Serial":                  {chain: s.Serial(pass, stream.KeepOrder()), want: []string{"Serial(pass): KeepOrder on a step that already keeps order"}},
			"KeepOrder on a group":                 {chain: s.GroupByKey().Concurrent(2, pass, stream.KeepOrder()), want: []string{"Concurrent(pass): KeepOrder on a grouped step"}},
			"MaxPartitions 0":                      {chain: step(stream.MaxPartitions(0)), want: []string{"Concurrent(pass): MaxPartitions(0): n is at least 1"}},
			"Timeout 0":                            {chain: step(stream.Timeout(0)), want: []string{"Concurrent(pass): a Timeout of 0s ends every attempt at once"}},
			"a nil middleware":                     {chain: step(stream.Use(nil)), want: []string{"Concurrent(pass): Use was given a nil middleware"}},
			"an empty name":                        {chain: step(stream.Named("")), want: []string{"Concurrent: the name is empty"}},
			"a name twice":                         {chain: step(stream.Named("x")).Serial(pass, stream.Named("x")), want: []string{"x: two steps have this name"}},
			"MaxInFlight 0":                        {chain: s, opts: []stream.Option{stream.MaxInFlight(0)}, want: []string{"MaxInFlight(0): n is at least 1"}},
			"MaxBytes 0":                           {chain: s, opts: []stream.Option{stream.MaxBytes(0)}, want: []string{"MaxBytes(0) is less than the 1 MiB that each partition may hold"}},
			"DrainTimeout in the past":             {chain: s, opts: []stream.Option{stream.DrainTimeout(-1)}, want: []string{"DrainTimeout is negative"}},
			"MaxWaiting -1":                        {chain: s, opts: []stream.Option{stream.MaxWaiting(-1)}, want: []string{"MaxWaiting is negative"}},
			"an empty Observer":                    {chain: s, opts: []stream.Option{stream.Observe(stream.Observer{})}, want: []string{"Observe: an Observer has no func"}},
			"a nil option":                         {chain: s, opts: []stream.Option{nil}, want: []string{"an Option is nil"}},
			"a nil step option":                    {chain: step(nil), want: []string{"Concurrent(pass): an option is nil"}},
			"a nil policy option":                  {chain: step().SkipOnError(nil), want: []string{"SkipOnError: an option is nil"}},
			"a graph's at once": {chain: stream.Merge(s, s.Map(echo, stream.Named("e")), of(stream.SourceInfo{ID: "x"}).GroupByKey().CommitEach(), of(stream.SourceInfo{ID: "x"}), stream.Stream[string]{}.Map(echo)).
				AlsoTo(func(in stream.Stream[string]) stream.Stream[string] { return in }).
				AlsoTo(func(in stream.Stream[string]) stream.Stream[string] { return in.Tap(pass).CommitEach() }).
				DivertTo(isB, func(stream.Stream[string]) stream.Stream[string] { return s }).
				Concurrent(2, pass).
				AlsoTo(func(in stream.Stream[string]) stream.Stream[string] { return in.GroupByKey().Concurrent(2, pass) }).
				CommitBefore(1, 0).Serial(pass).HaltOnError(),
				want: []string{"Map(echo): the Stream above it is a zero value", "Merge: two of its chains begin at one source, quiet", `Merge: two sources are named "x"`,
					"CommitEach: it is above a Merge", "Merge: it would merge chains that keep order none and per key", "Merge: it would merge chains that keep order per key and none",
					"AlsoTo: its branch does nothing", "CommitEach: a commit in the branch of AlsoTo", "DivertTo(isB): the branch returned a Stream that does not continue its input",
					"GroupByKey: Concurrent(pass) above it works without order", "HaltOnError: below a commit"}},
			"many at once": {chain: s.Map[string](nil).Concurrent(0, pass, stream.Named("")).SkipOnError().FailOnError().CommitEach().CommitEach(),
				opts: []stream.Option{stream.MaxWaiting(-1)},
				want: []string{"MaxWaiting", "Map: the func is nil", "the name is empty", "0 at a time", "a second commit", "FailOnError: no failure"}},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := c.chain.Build(c.opts...)
				if err == nil {
					t.Fatal("it was built")
				}
				text := err.Error()
				for _, w := range c.want {
					_, rest, ok := strings.Cut(text, w)
					if !ok {
						t.Errorf("%q does not say, in its place, %q", err, w)
					}
					text = rest
				}
				var fault *stream.BuildError
				if !errors.As(err, &fault) && !strings.HasPrefix(name, "faults of ") {
					t.Errorf("no BuildError in %v", err)
				}
				if n := len(strings.Split(strings.TrimPrefix(err.Error(), "this pipeline cannot be built:\n"), "\n")); n != len(c.want) {
					t.Errorf("%d faults, want %d: %v", n, len(c.want), err)
				}
			})
		}
	})
	t.Run("accepts", func(t *testing.T) {
		s := of(stream.SourceInfo{})
		for name, chain := range map[string]buildable{
			"finer below coarser":           s.GroupByPartition().Serial(pass).GroupByKey().Concurrent(2, pass),
			"the same again":                s.GroupByKey().Concurrent(2, pass).GroupByKey().Concurrent(2, pass),
			"by value below by partition":   s.GroupByPartition().Serial(pass).GroupBy(func(v string) string { return v }).Concurrent(2, pass),
			"after Ungroup":                 s.GroupByKey().Concurrent(2, pass).Ungroup().GroupByPartition().Serial(pass),
			"unordered, then Ungroup":       s.Concurrent(2, pass).Ungroup().GroupByKey().Concurrent(2, pass),
			"unordered with KeepOrder":      s.Concurrent(2, pass, stream.KeepOrder()).GroupByKey().Concurrent(2, pass),
			"ungrouped Serial, then groups": s.Serial(pass).GroupByKey().Concurrent(2, pass),
			"fallback of a dead letter":     s.Serial(pass).DeadLetterOnError(new(sink[stream.Failure])).HaltOnError(),
			"a longer retry of some":        s.Serial(pass).RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).RetryOnError(stream.RetryPolicy{}, stream.When(stream.IsWhole)).HaltOnError(),
			"a longer retry of two steps":   s.Serial(pass).RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).Serial(pass).RetryOnError(stream.RetryPolicy{Unlimited: true}),
			"a retry of some, then of all":  s.Serial(pass).RetryOnError(stream.RetryPolicy{}, stream.When(stream.IsPermanent)).RetryOnError(stream.RetryPolicy{}),
			"a retry of a step in between":  s.Serial(pass).RetryOnError(stream.RetryPolicy{}).Serial(pass).RetryOnError(stream.RetryPolicy{}),
			"a Pipe that adds nothing":      s.Via(func(s stream.Stream[string]) stream.Stream[string] { return s }),
			"a Pipe that merges its input": of(stream.SourceInfo{ID: "eu"}).Via(func(s stream.Stream[string]) stream.Stream[string] {
				return stream.Merge(s.Map(echo), of(stream.SourceInfo{ID: "us"}))
			}),
			"retries for two steps": s.Serial(pass).RetryOnError(stream.RetryPolicy{}).Serial(pass).HaltOnError(),
			"nothing at all":        s,
			"a fork of one source, a park of another": stream.Merge(
				of(stream.SourceInfo{ID: "eu", StateBytes: 4096}).AlsoTo(func(s stream.Stream[string]) stream.Stream[string] { return s.GroupByKey().Concurrent(2, pass) }),
				of(stream.SourceInfo{ID: "us", StateBytes: 4096}).DivertTo(func(string) bool { return true }, func(s stream.Stream[string]) stream.Stream[string] {
					return s.Concurrent(2, pass).ParkOnError()
				})).GroupByKey().Concurrent(2, pass).CommitEach(),
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := chain.Build(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Run("accepts a transaction without a group", func(t *testing.T) {
		s := of(stream.SourceInfo{NoCommit: "it reads without a group"})
		if _, err := s.CommitWith(newDatabase(), 1, 0, stream.MaxPartitions(1)).RetryOnError(stream.RetryPolicy{}).HaltOnError().Build(); err != nil {
			t.Error(err)
		}
	})
	t.Run("makes a source once, which the first run uses", func(t *testing.T) {
		var made [2]int
		chain := func(i int) stream.Stream[string] {
			return stream.From(func() stream.Source[string] { made[i]++; return quiet{stream.SourceInfo{Name: []string{"x", "y"}[i]}} })
		}
		p, err := stream.Merge(chain(0), chain(1)).Serial(pass).Build()
		must(t, err)
		for run := 1; run <= 2; run++ {
			must(t, p.Run(t.Context()))
			if made != [2]int{run, run} {
				t.Errorf("run %d: made %v times", run, made)
			}
		}
	})
	t.Run("names a source whose Info panics", func(t *testing.T) {
		bad := func() stream.Stream[string] {
			return stream.From(func() stream.Source[string] { return wordless{} })
		}
		for name, chain := range map[string]stream.Stream[string]{"alone": bad(), "named": bad().As("x"), "merged": stream.Merge(bad(), bad(), of(stream.SourceInfo{ID: "x"}))} {
			_, err := chain.Serial(pass).Build()
			if err == nil || !strings.Contains(err.Error(), "the Info of a stream_test.wordless panicked: ") || strings.Contains(err.Error(), "two sources") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("connects to nothing", func(t *testing.T) {
		opened := 0
		s := stream.From(func() stream.Source[string] { opened++; return quiet{} })
		p, err := s.Serial(pass).Build()
		must(t, err)
		_ = p.Describe().String()
		if err := p.Ready(); !errors.Is(err, stream.ErrNotRunning) {
			t.Errorf("Ready: %v", err)
		}
		if opened != 1 {
			t.Errorf("the source was made %d times", opened)
		}
	})
}

func echo(_ context.Context, v string) (string, error) { return v, nil }

// wrongVault is a Transactor that is configured wrong, and would store the group's offsets.
type wrongVault struct{ *database }

func (wrongVault) Check() error       { return &stream.BuildError{What: "boom"} }
func (wrongVault) CommitsGroup() bool { return true }

// wordless is a source that cannot say what it is.
type wordless struct{ quiet }

func (wordless) Info() stream.SourceInfo { panic("boom") }

// closer is a sink as io has them.
type closer struct{ noSink }

func (closer) Close() error { return nil }

type noSink struct{}

func (noSink) Write(ctx, []stream.Out[string]) error { return nil }

// groupVault stores its offsets in a consumer group.
type groupVault struct{ *database }

func (groupVault) CommitsGroup() bool { return true }
