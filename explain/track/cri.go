package track

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/whydenied/whydenied/explain/container"
)

// A criAPI is the socket of an engine with Kubernetes's CRI in its version
// runtime.v1, of Kubernetes 1.23 (pkg/apis/runtime/v1/api.proto of k8s.io/cri-api).
// It is gRPC: a message of protobuf each way, over HTTP/2 without TLS
// (doc/PROTOCOL-HTTP2.md of gRPC).
type criAPI string

func (socket criAPI) version(ctx context.Context) (container.Metadata, error) {
	message, err := socket.call(ctx, "Version", nil, "its version")
	if err != nil {
		return container.Metadata{}, err
	}
	var answer struct { // as crictl version prints it
		RuntimeName    string `json:"runtimeName"`
		RuntimeVersion string `json:"runtimeVersion"`
	}
	var d decoder
	d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		switch field {
		case 2:
			answer.RuntimeName = string(bytes)
		case 3:
			answer.RuntimeVersion = string(bytes)
		}
	})
	return socket.answer("", "/Version", answer, d.err)
}

func (socket criAPI) list(ctx context.Context) (ids []string, err error) {
	message, err := socket.call(ctx, "ListContainers", nil, "its containers")
	if err != nil {
		return nil, err
	}
	var d decoder
	d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		if field == 1 {
			ids = append(ids, d.text(bytes, 1))
		}
	})
	if d.err != nil {
		return nil, socket.broken(d.err)
	}
	return ids, nil
}

// inspect asks the CRI for a container and, where that does not know it, containerd for what
// others have it run.
func (socket criAPI) inspect(ctx context.Context, id string) (container.Metadata, error) {
	answer, err := socket.inspectCRI(ctx, id)
	var refused *refusal
	if errors.Is(err, errors.ErrUnsupported) || errors.As(err, &refused) && refused.status == "5" { // NOT_FOUND
		if own, ownErr := socket.inspectContainerd(ctx, id); ownErr == nil {
			return own, nil
		}
	}
	return answer, err
}

func (socket criAPI) inspectCRI(ctx context.Context, id string) (container.Metadata, error) {
	question := protowire.AppendTag(nil, 1, protowire.BytesType)
	question = protowire.AppendString(question, id)
	question = protowire.AppendTag(question, 2, protowire.VarintType)
	question = protowire.AppendVarint(question, 1) // verbose: with info
	message, err := socket.call(ctx, "ContainerStatus", question, "container "+container.ShortID(id))
	if err != nil {
		return container.Metadata{}, err
	}
	var d decoder
	return socket.answer(id, "/ContainerStatus/"+id, d.container(message), d.err)
}

// answer makes JSON of what was decoded.
func (socket criAPI) answer(id, question string, decoded any, err error) (container.Metadata, error) {
	if err != nil {
		return container.Metadata{}, socket.broken(err)
	}
	text, err := json.Marshal(decoded)
	return container.Metadata{Container: id, Name: string(socket) + question, Text: text}, err
}

func (socket criAPI) broken(err error) error {
	return fmt.Errorf("the engine at %s answers with a broken message: %w", socket, err)
}

// call calls a method of the CRI with a message and returns the one that answers; about says
// for errors what it is about. An engine without the CRI, or with an older version
// of it, gives an errors.ErrUnsupported.
func (socket criAPI) call(ctx context.Context, method string, message []byte, about string) ([]byte, error) {
	return socket.callIn(ctx, "", "runtime.v1.RuntimeService/"+method, message, about)
}

// callIn calls a method of a service, in a namespace of containerd's if one is given.
func (socket criAPI) callIn(ctx context.Context, namespace, method string, message []byte, about string) ([]byte, error) {
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) // 0: not compressed
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/"+method, bytes.NewReader(append(body, message...)))
	if err != nil {
		return nil, err
	}
	if namespace != "" {
		request.Header.Set("Containerd-Namespace", namespace)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	response, text, err := send(string(socket), request, &protocols)
	if err != nil {
		return nil, err
	}
	end := response.Trailer
	if end.Get("Grpc-Status") == "" {
		end = response.Header // there is no message
	}
	switch status := end.Get("Grpc-Status"); {
	case response.StatusCode != http.StatusOK || status == "":
		return nil, fmt.Errorf("what listens at %s answers %s, which is not gRPC", socket, response.Status)
	case status == "12":
		return nil, fmt.Errorf("the engine at %s has no CRI (runtime.v1): %w", socket, errors.ErrUnsupported)
	case status != "0":
		return nil, &refusal{status, fmt.Sprintf("the engine at %s answers %.300q (gRPC status %.10q) to a question for %s", socket, end.Get("Grpc-Message"), status, about)}
	case len(text) < 5 || text[0] != 0 || uint64(binary.BigEndian.Uint32(text[1:])) != uint64(len(text)-5):
		return nil, fmt.Errorf("the engine at %s answers with something else than one whole gRPC message, not compressed", socket)
	}
	return text[5:], nil
}

// A refusal is an answer of an engine that is an error of gRPC.
type refusal struct{ status, text string }

func (r *refusal) Error() string { return r.text }

// containerStates are the values of ContainerState.
var containerStates = []string{"CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_EXITED", "CONTAINER_UNKNOWN"}

// A decoder reads messages of protobuf (https://protobuf.dev/programming-guides/encoding),
// and nothing more after one that is broken.
type decoder struct{ err error }

// fields calls take for each field of a message, which has a number or bytes.
func (d *decoder) fields(message []byte, take func(field protowire.Number, number uint64, bytes []byte)) {
	for len(message) > 0 && d.err == nil {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			d.err = protowire.ParseError(n)
			return
		}
		message = message[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			d.err = protowire.ParseError(n)
			return
		}
		message = message[n:]
		take(field, number, bytes)
	}
}

// text returns a string of a message.
func (d *decoder) text(message []byte, of protowire.Number) (text string) {
	d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		if field == of {
			text = string(bytes)
		}
	})
	return text
}

// container decodes a ContainerStatusResponse.
func (d *decoder) container(message []byte) (c container.CRI) {
	d.fields(message, func(field protowire.Number, _ uint64, bytes []byte) {
		switch field {
		case 1:
			c.Status = d.status(bytes)
		case 2: // what verbose adds, by name; its values are JSON
			if name, value := d.text(bytes, 1), d.text(bytes, 2); name == "info" && d.err == nil {
				d.err = json.Unmarshal([]byte(value), &c.Info)
			}
		}
	})
	return c
}

// status decodes a ContainerStatus.
func (d *decoder) status(message []byte) container.CRIStatus {
	s := container.CRIStatus{State: containerStates[0], Labels: map[string]string{}}
	d.fields(message, func(field protowire.Number, number uint64, bytes []byte) {
		switch field {
		case 1:
			s.ID = string(bytes)
		case 2:
			d.fields(bytes, func(field protowire.Number, number uint64, bytes []byte) {
				switch field {
				case 1:
					s.Metadata.Name = string(bytes)
				case 2:
					s.Metadata.Attempt = int(uint32(number))
				}
			})
		case 3:
			s.State = containerStates[min(number, 3)]
		case 4:
			s.CreatedAt = container.Nanoseconds(int64(number))
		case 5:
			s.StartedAt = container.Nanoseconds(int64(number))
		case 6:
			s.FinishedAt = container.Nanoseconds(int64(number))
		case 7:
			s.ExitCode = int(int32(number))
		case 8:
			s.Image.Image, s.Image.UserSpecifiedImage = d.text(bytes, 1), d.text(bytes, 18)
		case 12:
			s.Labels[d.text(bytes, 1)] = d.text(bytes, 2)
		}
	})
	return s
}
