using System.Text;

namespace OmniPg.Mimeo;

/// <summary>What a specification alone can tell: options that mean nothing for its kind, values that cannot be.</summary>
internal static class SpecCheck
{
    /// <summary>Refuses one that contradicts itself.</summary>
    /// <param name="spec">The table.</param>
    /// <param name="isManaged">Whether it may have what a set-up makes.</param>
    /// <exception cref="ArgumentException">It does; the message says how.</exception>
    public static void Require(ReplicationSpec spec, bool isManaged = false)
    {
        ArgumentNullException.ThrowIfNull(spec);
        _ = SpecTable.Text(spec.Source);
        _ = SpecTable.Text(spec.Target);
        foreach (var sequence in spec.Sequences)
            _ = SpecTable.Text(sequence);
        var hasKey = spec.HasChanges || spec.Kind == ReplicationKind.Updater;
        string? wrong = spec switch
        {
            { From: null or "" } => "From must name a source.",
            _ when !Enum.IsDefined(spec.Kind) => $"Kind '{spec.Kind}' is none.",
            _ when spec.HasCursor != spec.Cursor is not null => $"Cursor must {(spec.HasCursor ? "" : "not ")}be given for {spec.Kind}.",
            { Queue: not null } or { Slot: not null } when !isManaged => "Queue and Slot are made and named by the set-up.",
            { Key.Count: > 0 } when !hasKey => $"Key means nothing for {spec.Kind}.",
            { Kind: not ReplicationKind.Table, Sequences.Count: > 0 } or { Kind: not ReplicationKind.Table, TruncateCascade: true } => $"Sequences and TruncateCascade mean nothing for {spec.Kind}.",
            { Kind: not ReplicationKind.Snapshot, PostScript.Count: > 0 } or { Kind: not ReplicationKind.Snapshot, SkipUnchanged: false } => $"PostScript and SkipUnchanged mean nothing for {spec.Kind}.",
            _ when !Enum.IsDefined(spec.Drift) => $"Drift '{spec.Drift}' is none.",
            { Kind: ReplicationKind.Snapshot, Drift: not DriftPolicy.Fail } => $"Drift means nothing for {spec.Kind}, which is made anew.",
            { Cursor: { } cursor } when !Enum.IsDefined(cursor.Mode) || (cursor.TimeBoundary is null && cursor.Mode != BoundaryMode.Fixed) => $"Mode '{cursor.Mode}' of the cursor is for a column of times.",
            { Kind: ReplicationKind.Logdel or ReplicationKind.Logical, Expressions.Count: > 0 } => $"Expressions mean nothing for {spec.Kind}: deleted rows, and the log, have the values as they were.",
            _ when spec.Expressions.Any(e => string.IsNullOrWhiteSpace(e.Value) || spec.Key.Contains(e.Key) || e.Key == spec.Cursor?.Column) => "An expression must not be empty, nor stand for a column of the key or the cursor.",
            { IgnoreDeletes: true, Kind: not (ReplicationKind.Dml or ReplicationKind.Logical) } => $"IgnoreDeletes means nothing for {spec.Kind}.",
            { KeepHistory: true, Kind: not ReplicationKind.Logdel } => $"KeepHistory means nothing for {spec.Kind}.",
            { KeepHistory: true } when Bytes(spec.Target) > DeletedHistory.MaxNameBytes => $"The name '{spec.Target.Name.Value}' has more than {DeletedHistory.MaxNameBytes} bytes, and '_deleted' has to fit behind it.",
            { BatchLimit: <= 0 } => $"BatchLimit '{spec.BatchLimit}' must be positive.",
            _ when !spec.HasCursor && !spec.HasChanges && spec.BatchLimit is not null => $"BatchLimit means nothing for {spec.Kind}.",
            _ when spec.Kind == ReplicationKind.Snapshot && Bytes(spec.Target) > SnapshotMethod.MaxNameBytes =>
                $"The name '{spec.Target.Name.Value}' has more than {SnapshotMethod.MaxNameBytes} bytes, and '_snap1' has to fit behind it.",
            _ => null,
        };
        if (wrong is not null)
            throw new ArgumentException(wrong, nameof(spec));

        static int Bytes(QualifiedName name) => Encoding.UTF8.GetByteCount(name.Name.Value);
    }
}
