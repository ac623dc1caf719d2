package main

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

const zone = ".svc.cluster.local."

// newDNSCommand answers what pods ask most: the addresses of Services with a ClusterIP. It knows no other names.
func newDNSCommand() *cobra.Command {
	var kubeconfig, listen string
	command := &cobra.Command{
		Use: "dns",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return serveDNS(command.Context(), client, listen)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&listen, "listen", "", "address and port")
	return command
}

func serveDNS(ctx context.Context, client kubernetes.Interface, listen string) error {
	if ctx == nil {
		ctx = context.Background()
	}
	factory := informers.NewSharedInformerFactory(client, 10*time.Minute)
	services := factory.Core().V1().Services().Lister()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	socket, err := net.ListenPacket("udp", listen)
	if err != nil {
		return err
	}
	buffer := make([]byte, 1500)
	for {
		length, sender, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:length]) != nil || len(query.Questions) != 1 {
			continue
		}
		if answer, err := answerTo(query, services); err == nil {
			_, _ = socket.WriteTo(answer, sender)
		}
	}
}

func answerTo(query dnsmessage.Message, services listers.ServiceLister) ([]byte, error) {
	question := query.Questions[0]
	answer := dnsmessage.Message{Header: query.Header, Questions: query.Questions}
	answer.Response, answer.Authoritative, answer.RecursionAvailable = true, true, true
	address := clusterIP(question.Name.String(), services)
	if address == nil {
		answer.RCode = dnsmessage.RCodeNameError
	} else if question.Type == dnsmessage.TypeA {
		header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 1}
		body := &dnsmessage.AResource{A: [4]byte(address)}
		answer.Answers = []dnsmessage.Resource{{Header: header, Body: body}}
	}
	return answer.Pack()
}

// clusterIP gives the address of NAME.NAMESPACE.svc.cluster.local, or nil.
func clusterIP(name string, services listers.ServiceLister) net.IP {
	path, inZone := strings.CutSuffix(strings.ToLower(name), zone)
	labels := strings.Split(path, ".")
	if !inZone || len(labels) != 2 {
		return nil
	}
	service, err := services.Services(labels[1]).Get(labels[0])
	if err != nil {
		return nil
	}
	return net.ParseIP(service.Spec.ClusterIP).To4()
}
