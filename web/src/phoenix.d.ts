// The part of the official client that the lobby uses; the package carries no types of its own.
declare module "phoenix" {
  export interface SocketOptions {
    params?: Record<string, string>;
    heartbeatIntervalMs?: number;
    timeout?: number;
    reconnectAfterMs?: (tries: number) => number;
    rejoinAfterMs?: (tries: number) => number;
  }

  export class Socket {
    constructor(endPoint: string, options?: SocketOptions);
    connect(): void;
    disconnect(callback?: () => void, code?: number, reason?: string): void;
    isConnected(): boolean;
    channel(topic: string, params?: Record<string, unknown> | (() => Record<string, unknown>)): Channel;
    onOpen(callback: () => void): string;
    onClose(callback: () => void): string;
    onError(callback: () => void): string;
    onMessage(callback: () => void): string;
  }

  export class Channel {
    join(timeout?: number): Push;
    leave(timeout?: number): Push;
    push(event: string, payload: object, timeout?: number): Push;
    on(event: string, callback: (payload: unknown) => void): number;
    onClose(callback: () => void): void;
    onError(callback: () => void): void;
  }

  export class Push {
    receive(status: "ok" | "error" | "timeout", callback: (response: unknown) => void): this;
  }

  export class Presence {
    constructor(channel: Channel);
    onSync(callback: () => void): void;
    list<T>(chooser: (key: string, presence: unknown) => T): T[];
  }
}
