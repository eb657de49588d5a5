package consoletest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/admin"
)

func TestConsole(t *testing.T) {
	t.Parallel()
	t.Run("leads from what is wrong to a released partition in three clicks", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 2, 1, "a", "b", "bad")
		b := open(t, w.url)
		b.shows("#problems", "the bank does not know bad")
		b.shows("#problems", "Retries orders[0]@1")
		b.shows("#summary", "1 thing is wrong")
		b.picture("halted")
		w.mended.Store(true)
		b.click(`button[aria-label="Resume orders[0]"]`)
		b.signIn(operates) // and Enter is the second
		b.shows("#result", "orders[0] continues")
		b.shows("#well", "Nothing is")
		b.shows("#events", "by olaf")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		must(t, w.log.WaitCommitted(ctx, 0, 2))
		b.picture("well")
	})
	t.Run("asks before it skips", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 1, "bad", "a")
		b := open(t, w.url)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf (operate)")
		b.click(`button[aria-label="Skip orders[0]"]`)
		b.shows("#asking", "Gives up orders[0]@0: it counts as done, and nobody processes it.")
		b.picture("skip")
		b.do(chromedp.KeyEvent("\x1b")) // Escape
		b.until("the dialog to close", "!document.querySelector('#asking').open")
		if len(w.p.Halts()) != 1 {
			t.Fatal("it skipped without a yes")
		}
		b.click(`button[aria-label="Skip orders[0]"]`)
		b.click("#asking-ok")
		b.shows("#result", "orders[0] continues")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		must(t, w.log.WaitCommitted(ctx, 0, 2))
	})
	t.Run("says that somebody else was faster", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 1, "bad")
		b := open(t, w.url)
		b.expect("409")
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.click(`button[aria-label="Skip orders[0]"]`)
		b.shows("#asking", "Gives up")
		h := w.p.Halts()[0]
		w.mended.Store(true)
		must(t, w.p.Resume(h))
		must(t, w.p.WaitResumed(t.Context(), h))
		b.click("#asking-ok")
		b.shows("#result", "Refused: pipeline billing has no halt")
	})
	t.Run("refuses a wrong token, and one that may only read", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 1, "bad")
		b := open(t, w.url)
		b.expect("401")
		b.expect("403")
		b.click(`button[aria-label="Resume orders[0]"]`)
		b.signIn("not-the-one-that-it-has")
		b.shows("#signing-error", "the token is wrong")
		b.signIn(reads)
		b.shows("#result", "rita has the scope read")
		b.shows("#you", "rita (read)")
	})
	t.Run("says that the worker does not answer", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 0, "a")
		b := open(t, w.url)
		b.shows("#well", "Nothing is")
		b.expect("ERR_CONNECTION_REFUSED")
		w.stop()
		b.shows("#away", "The worker does not answer")
	})
	t.Run("pauses a partition, and reads on", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 2, 0, "a", "b")
		b := open(t, w.url)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.click(`button[aria-label="Pause orders[1]"]`)
		b.click("#asking-ok")
		b.shows("#problems", "orders[1] has been paused by olaf")
		b.shows("#partitions", "paused")
		b.picture("paused")
		b.click(`button[aria-label="Resume orders[1]"]`)
		b.shows("#well", "Nothing is")
	})
	t.Run("pauses all partitions with one request, and reads them on", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 3, 0, "a")
		b := open(t, w.url)
		b.shows("#count", "3 of 3")
		b.click("#pause-all")
		b.signIn(operates)
		b.shows("#asking", "Nothing more is read of 3 partitions of billing until Resume. What was read is finished.")
		b.picture("pause-all")
		b.do(chromedp.SetValue(chromedp.CSS("#for"), "60"))
		b.click("#asking-ok")
		b.shows("#result", "3 partitions are paused until ")
		b.shows("#problems .title", "3 partitions of billing")
		b.shows("#summary", "3 held by hand")
		b.until("nothing left to pause", "document.querySelector('#pause-all').disabled")
		b.picture("paused-all")
		b.accessible("with all partitions paused")
		for _, h := range w.p.Halts() {
			if left := time.Until(h.ResumeAt); h.By != "olaf" || left < 50*time.Minute || left > time.Hour {
				t.Errorf("%v ends in %v", h, left)
			}
		}
		b.click(`button[aria-label="Resume all that olaf has paused"]`)
		b.shows("#asking", "Reads 3 partitions on from where they stopped.")
		b.click("#asking-ok")
		b.shows("#result", "3 partitions are read on")
		b.shows("#well", "Nothing is")
		for path, want := range map[string]int{"/pause-all": 1, "/resume-many": 1} {
			if n := eval[int](b, "performance.getEntriesByType('resource').filter((r) => r.name.includes("+quoted(path)+")).length"); n != want {
				t.Errorf("%d requests for %s", n, path)
			}
		}
	})
	t.Run("says which of all partitions somebody else has paused already, and pauses the others", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 3, 0, "a")
		b := open(t, w.url)
		b.click("#pause-all")
		b.signIn(operates)
		b.shows("#asking", "3 partitions of billing")
		q := w.p.Snapshot().Partitions[1]
		must(t, w.p.Pause(q.TopicPartition, q.Epoch, "rita", time.Time{}))
		b.click("#asking-ok")
		b.shows("#result", "Refused: 1 of 3: orders[1] cannot be paused, nothing is read of it already: paused by rita")
		b.shows("#problems", "2 partitions of billing")
		b.shows("#problems", "orders[1] has been paused by rita")
	})
	t.Run("pauses until a time", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 0, "a")
		b := open(t, w.url)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.click(`button[aria-label="Pause orders[0]"]`)
		b.do(chromedp.SetValue(chromedp.CSS("#for"), "60"))
		b.click("#asking-ok")
		b.shows("#problems", "it ends at ")
		b.shows("#result", "survives rebalances and restarts")
		if left := time.Until(w.p.Halts()[0].ResumeAt); left < 50*time.Minute || left > time.Hour {
			t.Errorf("it ends in %v", left)
		}
	})
	t.Run("parks a key and lets it continue, while others do", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 0, "a")
		b := open(t, w.url)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.click(`button[aria-label="Park a key of orders[0]"]`)
		b.do(chromedp.SendKeys(chromedp.CSS("#key"), "key b"))
		b.picture("park")
		b.click("#asking-ok")
		b.shows("#problems", `key "key b" of orders[0] has been parked by olaf`)
		b.shows("#events", "parked")
		w.log.Append(0, "key b", kafka.Message{Value: []byte("b")})
		w.log.Append(0, "key c", kafka.Message{Value: []byte("c")})
		b.shows("#partitions .flight", "1")
		b.shows("#partitions .ahead", "1") // c, behind b
		b.shows("#partitions .flight", "1 of 4,096\n< 0.1 of 64 MiB")
		b.shows("#partitions .watermark", "1")
		b.picture("parked")
		b.click(`button[aria-label="Resume orders[0] key key b"]`)
		b.shows("#well", "Nothing is")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		must(t, w.log.WaitCommitted(ctx, 0, 3))
	})
	t.Run("sets a degree and a rate, says so, and sets them back", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 0, "a")
		b := open(t, w.url)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.shows("#flows", "0 of 8 at work")
		b.click(`button[aria-label="Degree of charge"]`)
		b.shows("#asking-text", "The chain has 8.")
		b.do(chromedp.SetValue(chromedp.CSS("#number"), "2"))
		b.accessible("with a number to set")
		b.click("#asking-ok")
		b.shows("#result", "charge works on up to 2 at a time")
		b.shows("#problems", "An operator has set it to 2 at a time, until restart. The chain has 8 at a time.")
		b.shows("#summary", "1 held by hand")
		b.click(`button[aria-label="Rate of the pipeline"]`)
		b.do(chromedp.SetValue(chromedp.CSS("#number"), "0.5"))
		b.click("#asking-ok")
		b.shows("#flows", "at most 0.5 a second")
		b.picture("tuned")
		b.click(`button[aria-label="Set back Degree of charge"]`)
		b.shows("#flows", "0 of 8 at work")
		b.click(`button[aria-label="Set back Rate of billing"]`)
		b.shows("#well", "Nothing is")
		for _, d := range w.p.Snapshot().Degrees {
			if d.Now != 8 {
				t.Errorf("degree: %+v", d)
			}
		}
	})
	t.Run("explains, shows records, and runs no script of theirs", func(t *testing.T) {
		t.Parallel()
		evil := `bad<img src=x onerror="window.owned=1"><script>window.owned=1</script>`
		w := start(t, "orders<b>", 1, 1, evil)
		b := open(t, w.url)
		b.shows("#problems", `the bank does not know bad<img src=x onerror="window.owned=1">`)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.shows("#events", "key key bad<img")
		b.click(`button[aria-label="Record orders<b>[0]"]`)
		b.shows("#telling-text", evil)
		b.click("#telling button")
		b.click(`button[aria-label="Explain orders<b>[0]"]`)
		b.shows("#telling-text", "is halted by charge")
		b.picture("explained")
		b.click("#telling button")
		if eval[bool](b, "window.owned === 1 || document.querySelector('img, b') !== null") {
			t.Error("text of a record became HTML")
		}
	})
	t.Run("shows 500 partitions, and finds one", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 500, 0)
		b := open(t, w.url)
		b.shows("#count", "500 of 500")
		if n := eval[int](b, "document.querySelectorAll('#partitions tr').length"); n != 500 {
			t.Errorf("%d rows", n)
		}
		b.do(chromedp.SendKeys(chromedp.CSS("#filter"), "orders[499]"))
		b.shows("#count", "1 of 500")
		_ = w
	})
	t.Run("tells of what has failed alike at once, and resumes all of it", func(t *testing.T) {
		t.Parallel()
		w := startParked(t, 3, 6)
		b := open(t, w.url)
		b.shows("#problems .title", "charge failed on 6 records")
		b.shows("#summary", "6 things are wrong")
		b.accessible("with six parked keys")
		w.mended.Store(true)
		b.click(`button[aria-label="Resume all that charge failed on"]`)
		b.signIn(operates)
		b.shows("#asking", "Retries 6 records")
		b.click("#asking-ok")
		b.shows("#result", "6 records are retried")
		b.shows("#well", "Nothing is")
	})
	t.Run("resumes all but those that somebody else has released, and says how many", func(t *testing.T) {
		t.Parallel()
		w := startParked(t, 3, 6)
		b := open(t, w.url)
		b.click("#sign")
		b.signIn(operates)
		b.shows("#you", "olaf")
		b.click(`button[aria-label="Resume all that charge failed on"]`)
		b.shows("#asking", "Retries 6 records")
		h := w.p.Halts()[0]
		w.mended.Store(true)
		must(t, w.p.Resume(h))
		must(t, w.p.WaitResumed(t.Context(), h))
		b.click("#asking-ok")
		b.shows("#result", "Refused: 1 of 6: pipeline billing has no halt")
		b.shows("#well", "Nothing is")
	})
	t.Run("shows 10,000 parked keys, and says how many it does not list", func(t *testing.T) {
		t.Parallel()
		w := startParked(t, 500, 10000)
		b := open(t, w.url)
		b.shows("#problems .title", "charge failed on 10,000 records")
		b.shows("#problems .over", "9,800 more are not listed")
		b.shows("#summary", "10000 things are wrong")
		if n := eval[int](b, "document.querySelectorAll('.members li').length"); n != 200 {
			t.Errorf("%d rows", n)
		}
		b.picture("many")
	})
	t.Run("resumes 10,000 parked keys with ten requests", func(t *testing.T) {
		t.Parallel()
		w := startParked(t, 500, 10000)
		b := open(t, w.url)
		b.shows("#problems .title", "charge failed on 10,000 records")
		w.mended.Store(true)
		b.click(`button[aria-label="Resume all that charge failed on"]`)
		b.signIn(operates)
		b.click("#asking-ok")
		b.shows("#result", "10,000 records are retried")
		b.shows("#well", "Nothing is")
		if n := eval[int](b, "performance.getEntriesByType('resource').filter((r) => r.name.includes('/resume')).length"); n != 10 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("shows and operates the whole fleet, and says who does not answer", func(t *testing.T) {
		t.Parallel()
		peers := make([]string, 3)
		for i := range peers {
			peers[i] = "127.0.0.1:1" // nobody is there
		}
		opts := func() []admin.Option { return []admin.Option{admin.Peers(peers...)} }
		first, second := startWith(t, opts(), "orders", 1, 0, "a"), startWith(t, opts(), "refunds", 2, 1, "bad")
		peers[0], peers[1] = strings.TrimPrefix(first.url, "http://"), strings.TrimPrefix(second.url, "http://")
		b := open(t, first.url)
		b.shows("#replicas", "connection refused")
		b.shows("#problems", "127.0.0.1:1")
		b.shows("#problems", "charge failed on refunds[0]@0 after 1 attempt")
		b.shows("#count", "3 of 3")
		b.shows("#summary", "2 things are wrong")
		b.shows("#events", "· "+peers[1])
		b.picture("fleet")
		second.mended.Store(true)
		b.click(`button[aria-label="Resume refunds[0]"]`)
		b.signIn(operates)
		b.shows("#result", "refunds[0] continues")
		b.shows("#summary", "1 thing is wrong")
		b.click(`button[aria-label="Pause refunds[1]"]`)
		b.click("#asking-ok")
		b.shows("#problems", "refunds[1] has been paused by olaf")
		if hs := second.p.Halts(); len(hs) != 1 || hs[0].By != "olaf" || len(first.p.Halts()) != 0 {
			t.Errorf("halts: %v", hs)
		}
		b.expect("502") // it ends between two looks
		second.stop()
		b.shows("#summary", "2 things are wrong")
		b.shows("#count", "1 of 1")
		b.scheme("dark")
		b.do(chromedp.EmulateViewport(375, 800, chromedp.EmulateMobile))
		b.picture("fleet-phone")
		if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > 375 {
			t.Errorf("the page is %d wide", wide)
		}
		b.accessible("in the dark, on a phone")
	})
	t.Run("begins its charts with what was before the page was opened", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 1, "a", "bad")
		points := `[...document.querySelectorAll(".chart polyline")].map((p) => p.getAttribute("points").split(" ").length)`
		b := open(t, w.url)
		b.until("a second sample in four charts", points+`.filter((n) => n > 1).length === 4`)
		b.picture("charts")
		second := open(t, w.url)
		second.until("its first look", `document.querySelector(".chart.rate")?.innerText.includes("at most") && (window.first ??= `+points+`)`)
		if n := eval[int](second, "Math.min(...window.first)"); n < 2 {
			t.Errorf("it begins with %d points", n)
		}
		second.shows(".chart.busy", "1 record in flight")
	})
	t.Run("fits a phone, and a dark room", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 3, 2, "bad 1", "bad 2", "c")
		b := open(t, w.url)
		b.scheme("dark")
		b.shows("#problems", "bad 2")
		b.picture("dark")
		b.do(chromedp.EmulateViewport(375, 800, chromedp.EmulateMobile))
		b.until("rows to be cards", "getComputedStyle(document.querySelector('#partitions .lag'), '::before').content.includes('Lag')")
		b.picture("phone")
		if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > 375 {
			t.Errorf("the page is %d wide", wide)
		}
		b.accessible("in the dark, on a phone")
	})
	t.Run("can be used with the keyboard alone", func(t *testing.T) {
		t.Parallel()
		w := start(t, "orders", 1, 1, "bad")
		b := open(t, w.url)
		b.shows("#problems", "bad")
		w.mended.Store(true)
		for range 20 { // Tab to Resume; more would be too far for a person too
			b.do(chromedp.KeyEvent("\t"))
			if strings.HasPrefix(eval[string](b, "document.activeElement.ariaLabel ?? ''"), "Resume") {
				break
			}
		}
		b.do(chromedp.KeyEvent("\r"))
		b.signIn(operates)
		b.shows("#well", "Nothing is")
	})
}
