"""The court's pages and its HTTP/JSON interface: server-rendered, without any request to a third party, readable without script."""
