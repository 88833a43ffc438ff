// The mesh on Colyseus: one room, whose state is a map of players with four
// floats each. It prints its port, then ends with SIGTERM.
//
//   node server.mjs HZ      patches a second
import { Room, Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { schema, t } from "@colyseus/schema";

const hz = Number(process.argv[2]);
if (!(hz > 0)) {
  console.error("usage: node server.mjs HZ");
  process.exit(2);
}

const Player = schema({ x: t.float32(), y: t.float32(), z: t.float32(), w: t.float32() }, "Player");
const World = schema({ players: t.map(Player) }, "World");

class Mesh extends Room {
  maxClients = 10_000;
  patchRate = 1000 / hz;
  state = new World();

  onCreate() {
    this.onMessageBytes("p", (client, bytes) => {
      const player = this.state.players.get(client.sessionId);
      if (player === undefined || bytes.byteLength !== 16) return;
      const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
      player.x = view.getFloat32(0, true);
      player.y = view.getFloat32(4, true);
      player.z = view.getFloat32(8, true);
      player.w = view.getFloat32(12, true);
    });
  }

  onJoin(client) {
    this.state.players.set(client.sessionId, new Player());
  }

  onLeave(client) {
    this.state.players.delete(client.sessionId);
  }
}

const server = new Server({ greet: false, transport: new WebSocketTransport() });
server.define("mesh", Mesh);
await server.listen(0, "127.0.0.1");
console.log(`listening ${server.transport.server.address().port}`);
