package readers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"

	"github.com/miekg/dns"
)

// The resolver of the system is not used: it also reads /etc/hosts, asks other
// servers, and does not report TTLs or whether an answer is authoritative.

// tries is how often a question is sent.
const tries = 3

// address is an address in the answer of a name server.
type address struct {
	netip.Addr
	ttl           int64
	authoritative bool // the answer is not from a cache, which counts the TTL down
}

// errNoName reports a name that does not exist, as opposed to one without addresses.
var errNoName = errors.New("the name server answers that there is no such name (NXDOMAIN): is the name right?")

// lookup asks the reader's server for the addresses of its name. A name may have
// none, but one that does not exist is an error.
func (a asker) lookup(ctx context.Context, r Reader) ([]address, error) {
	server, err := hostPort(cmp.Or(r.host, r.server), "53")
	if err != nil {
		return nil, err
	}
	var all []address
	var missing error
	for _, family := range r.families() {
		found, err := a.question(ctx, r, server, family)
		switch {
		case errors.Is(err, errNoName): // some servers answer this for one family only
			missing = err
		case err != nil:
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) > 0 {
		missing = nil
	}
	return all, missing
}

// families returns the record types for the address families of the places'
// networks.
func (r Reader) families() []uint16 {
	var four, six bool
	for _, networks := range r.answers {
		for _, n := range networks {
			four, six = four || n.Addr().Is4(), six || n.Addr().Is6()
		}
	}
	switch {
	case !six:
		return []uint16{dns.TypeA}
	case !four:
		return []uint16{dns.TypeAAAA}
	}
	return []uint16{dns.TypeA, dns.TypeAAAA}
}

// question asks a server for the addresses of one family. If the answer is too long
// for UDP, it asks again over TCP.
func (a asker) question(ctx context.Context, r Reader, server string, family uint16) ([]address, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(r.Target), family)
	how := "name server " + server
	reply, err := a.exchange(ctx, "udp", server, q)
	if err == nil && reply.Truncated {
		how += " over TCP, since its answer is too long for UDP"
		reply, err = a.exchange(ctx, "tcp", server, q)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", how, a.explain(ctx, err, ""))
	}
	return addresses(q, reply)
}

// exchange sends a question until it receives a reply to it. Over UDP, the question
// may be lost, and unrelated packets may arrive.
func (a asker) exchange(ctx context.Context, network, server string, q *dns.Msg) (reply *dns.Msg, err error) {
	client := dns.Client{Net: network, UDPSize: dns.MaxMsgSize, Timeout: a.timeout / tries}
	for range tries {
		reply, _, err = client.ExchangeContext(ctx, q, server)
		if errors.As(err, new(*dns.Error)) || err == nil && !isReply(q, reply) {
			err = errors.New("what it answers is no reply to the question")
		}
		if refused := syscall.Errno(0); err == nil || ctx.Err() != nil || errors.As(err, &refused) {
			break
		}
	}
	return reply, err
}

func isReply(q, reply *dns.Msg) bool {
	return reply.Response && len(reply.Question) == 1 && strings.EqualFold(reply.Question[0].Name, q.Question[0].Name)
}

// addresses returns the addresses in a reply, of the name or of the name that it is
// an alias of.
func addresses(q, reply *dns.Msg) ([]address, error) {
	asked := q.Question[0]
	switch reply.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return nil, errNoName
	default:
		code := cmp.Or(dns.RcodeToString[reply.Rcode], fmt.Sprintf("with code %d", reply.Rcode))
		return nil, fmt.Errorf("the name server answers %s to the question for %s", code, dns.TypeToString[asked.Qtype])
	}
	name := asked.Name
	var found []address
	for _, record := range reply.Answer { // aliases come before the names they refer to
		if !strings.EqualFold(record.Header().Name, name) {
			continue
		}
		one := address{ttl: int64(record.Header().Ttl), authoritative: reply.Authoritative}
		switch record := record.(type) {
		case *dns.CNAME:
			name = record.Target
		case *dns.A:
			one.Addr, _ = netip.AddrFromSlice(record.A)
		case *dns.AAAA:
			one.Addr, _ = netip.AddrFromSlice(record.AAAA)
		}
		if one.IsValid() {
			one.Addr = one.Unmap()
			found = append(found, one)
		}
	}
	return found, nil
}
