//! Rooms, as `/api/v1/rooms` and the topics `lobby:` and `room:` tell of them.

import { fieldsOf, listOf, numberOf, textOf } from "./entries.ts";

export type Role = "owner" | "admin" | "member";

export interface RoomSensor {
  sensor_id: string;
  sensor_name: string;
  sensor_type: string;
  connector_name: string;
  /** The last value of its first attribute that has one. */
  last: { attribute: string; type: string; payload: unknown; at: number } | null;
}

export interface Room {
  id: string;
  name: string;
  description: string | null;
  owner_id: string;
  /** `null` for whoever is not in it. */
  join_code: string | null;
  is_public: boolean;
  role: Role | null;
  member_count: number;
  /** By user id, owner first; empty where they were not told. */
  members: { id: string; role: Role }[];
  sensor_count: number;
  sensors: RoomSensor[];
  home: string;
}

export interface LobbyState {
  mine: Room[];
  open: Room[];
  mineTotal: number;
  openTotal: number;
}

const RANK: Readonly<Record<Role, number>> = { owner: 0, admin: 1, member: 2 };

function roleOf(value: unknown): Role | null {
  return value === "owner" || value === "admin" || value === "member" ? value : null;
}

function parseRoomSensor(line: unknown): RoomSensor | null {
  const fields = fieldsOf(line);
  const id = textOf(fields?.["sensor_id"]);
  if (fields === null || id === null) return null;
  const lasts = listOf(fields["attributes"], (attribute) => {
    const described = fieldsOf(attribute);
    const value = fieldsOf(described?.["last_value"]);
    if (described === null || value === null) return null;
    return {
      attribute: textOf(described["id"]) ?? "",
      type: textOf(described["attribute_type"]) ?? "",
      payload: value["payload"],
      at: numberOf(value["timestamp"], 0),
    };
  });
  return {
    sensor_id: id,
    sensor_name: textOf(fields["sensor_name"]) ?? id,
    sensor_type: textOf(fields["sensor_type"]) ?? "",
    connector_name: textOf(fields["connector_name"]) ?? "",
    last: lasts[0] ?? null,
  };
}

export function parseRoom(line: unknown): Room | null {
  const fields = fieldsOf(line);
  const id = textOf(fields?.["id"]);
  if (fields === null || id === null) return null;
  const members = Object.entries(fieldsOf(fields["members"]) ?? {}).map(([user, role]) => ({ id: user, role: roleOf(role) ?? "member" as Role }));
  const sensors = listOf(fields["sensors"], parseRoomSensor);
  return {
    id,
    name: textOf(fields["name"]) ?? "A room without a name",
    description: textOf(fields["description"]),
    owner_id: textOf(fields["owner_id"]) ?? "",
    join_code: textOf(fields["join_code"]),
    is_public: fields["is_public"] === true,
    role: roleOf(fields["role"]),
    member_count: numberOf(fields["member_count"], members.length),
    members: members.sort((one, other) => RANK[one.role] - RANK[other.role] || (one.id < other.id ? -1 : 1)),
    sensor_count: numberOf(fields["sensor_count"], sensors.length),
    sensors,
    home: textOf(fields["home"]) ?? "",
  };
}

/** The room of a write's answer; `null` where whoever asked sees it no longer. */
export function parseWritten(payload: unknown): { room: Room | null; copies: number; onDisk: number } {
  const fields = fieldsOf(payload);
  return { room: parseRoom(fields?.["room"]), copies: numberOf(fields?.["copies"], 1), onDisk: numberOf(fields?.["on_disk"], 0) };
}

export function parseLobbyState(payload: unknown): LobbyState | null {
  const fields = fieldsOf(payload);
  if (fields === null) return null;
  const [mine, open] = [listOf(fields["my_rooms"], parseRoom), listOf(fields["public_rooms"], parseRoom)];
  return { mine, open, mineTotal: numberOf(fields["my_total"], mine.length), openTotal: numberOf(fields["public_total"], open.length) };
}
