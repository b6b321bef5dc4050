"""What a release brings with it, and whether it is what it says: bill of materials, a wheel that anybody can make again, an audit."""
