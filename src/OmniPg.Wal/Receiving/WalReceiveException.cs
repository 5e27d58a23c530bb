using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>WAL cannot be received any further. Nothing that was received is lost or changed.</summary>
/// <remarks>Codes <c>wal.receive.…</c>; docs/receiver.md tells each.</remarks>
public sealed class WalReceiveException : WalException
{
    private WalReceiveException(string code, string message, string? hint, Exception? inner = null, bool isTransient = false)
        : base(code, message, hint, inner) => IsTransient = isTransient;

    /// <summary>Whether the receiver goes on trying by itself.</summary>
    public override bool IsTransient { get; }

    internal static WalReceiveException Directory(string path, string what, string hint, Exception? inner = null) =>
        new("wal.receive.directory", $"'{path}' cannot take received WAL: {what}.", hint, inner);

    internal static WalReceiveException NotBegun(string path, string slot, NpgsqlLogSequenceNumber restart) => Directory(
        path,
        $"it is empty, yet the slot '{slot}' was used before, up to '{restart}'",
        "If storage belongs there, it is not mounted: mount it. To begin anew, say so once with '--begin'.");

    internal static WalReceiveException Refused(string what, string hint, Exception inner) =>
        new("wal.receive.refused", $"The server refused to send WAL: {what}.", hint, inner);

    internal static WalReceiveException NoSlot(string slot, Exception? inner) =>
        new("wal.receive.slot", $"The physical replication slot '{slot}' does not exist.", "Name the slot that keeps the WAL, or let it be created with '--create-slot'.", inner);

    internal static WalReceiveException SlotLost(string slot, string what, Exception inner) => new(
        "wal.receive.slot", $"The replication slot '{slot}' cannot be used: {what}.", "If the server has invalidated it, drop it, begin a new directory with a new slot, and make a base backup.", inner);

    internal static WalReceiveException Gap(uint timeline, NpgsqlLogSequenceNumber at, string what, Exception inner) => new(
        "wal.receive.gap",
        $"WAL of timeline '{timeline}' from '{at}' on is not to be had from the server any more: {what}.",
        "Copy the missing segments into the directory from an archive and start again; else begin a new directory and make a base backup.",
        inner);

    internal static WalReceiveException Diverged(string message) => new(
        "wal.receive.diverged", message, "The server does not hold what was received from its predecessor. Keep the directory, receive into a new one, and make a base backup.");

    internal static WalReceiveException Behind(uint timeline, NpgsqlLogSequenceNumber server, NpgsqlLogSequenceNumber received) => new(
        "wal.receive.behind",
        $"The server ends at '{server}' of timeline '{timeline}', before the received '{received}'.",
        "A standby catches up after its start. If it does not, the server was restored from an older state.",
        isTransient: true);

    internal static WalReceiveException Unexpected(NpgsqlLogSequenceNumber sent, NpgsqlLogSequenceNumber expected) => new(
        "wal.receive.protocol", $"The server sent WAL from '{sent}' on where '{expected}' was to come.", "The receiver connects again by itself.", isTransient: true);

    internal static WalReceiveException NoHistory(uint timeline, string attempts) => new(
        "wal.receive.history",
        $"The history of timeline '{timeline}' is not to be had: {attempts}.",
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO the role, in the database that it connects to; or put the file into the directory.",
        isTransient: true);
}
