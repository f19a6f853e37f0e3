package sal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/conftool/confctl/internal/netcause"
)

// Webhook is a sink that posts each delivery as JSON to a web server.
type Webhook struct {
	Label string // the sink's name; webhook if empty
	URL   string
}

var _ Sink = Webhook{}

// Name returns the sink's name in the outbox.
func (w Webhook) Name() string { return cmp.Or(w.Label, "webhook") }

// Kind returns Central.
func (Webhook) Kind() Kind { return Central }

// Send posts one document. Any status but 2xx is an error, including
// redirections, because a redirected request may no longer be a POST.
func (w Webhook) Send(ctx context.Context, d Delivery) error {
	body, err := d.document()
	if err == nil {
		err = w.post(ctx, body)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", w.Name(), w.address(), err)
	}
	return nil
}

func (w Webhook) post(ctx context.Context, body []byte) error {
	ctx, naming := netcause.Trace(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "confctl")
	client := http.Client{
		Transport:     direct(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	switch {
	case err != nil && naming.Unanswered():
		return errors.New(netcause.NoNameServer)
	case err != nil:
		return withoutURL(ctx, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return closeAfter(answer.Body, errors.New(answer.Status))
	}
	return answer.Body.Close()
}

// direct returns a transport that ignores the environment's proxy: a proxy could
// accept a message that the server never receives.
func direct() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true}
}

// withoutURL returns an error of a request without the URL, which the caller adds
// and which may contain a secret.
func withoutURL(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return short(err)
}

// address returns the URL without the parts that may be secret, such as the path
// of a chat webhook.
func (w Webhook) address() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "(a malformed URL)"
	}
	return u.Scheme + "://" + u.Host
}
