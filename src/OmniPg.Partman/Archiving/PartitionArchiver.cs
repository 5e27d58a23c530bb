using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Archives a table that a retirement has set aside, and drops it once the archive is durable, read back and proven present.</summary>
/// <remarks>
/// Rows, manifest and drop are one transaction, whose lock keeps writers out from before the first row is read: what was read is what is dropped. Where a run
/// ended between manifest and drop, that lock was given up, and the next one compares the table with the archive before it drops it.
/// </remarks>
internal sealed class PartitionArchiver(PartmanDatabase database, PartmanOptions options, IObjectStore store)
{
    private const int MostNumbers = 10_000;
    private const int Level = 1;

    /// <summary>What the table of operations says of the table.</summary>
    private sealed record Note(QualifiedName Now, QualifiedName Before, string Lower, string Upper, string? Stem);

    /// <summary>The table, and where its archive goes.</summary>
    private sealed record Job(PartmanServer Server, SetState State, PlanUnit Unit, Note Note, string Place);

    /// <exception cref="PartmanArchiveException">The store failed, or the archive is not what was written; the table stays.</exception>
    public async Task RunAsync(SetState state, PlanUnit unit, CancellationToken cancellationToken)
    {
        try
        {
            var server = await database.RunAsync("archive", (_, found) => Task.FromResult(found), cancellationToken).ConfigureAwait(false);
            var place = await store.IdentifyAsync(cancellationToken).ConfigureAwait(false);
            var note = await ReadNoteAsync(server, state, unit, cancellationToken).ConfigureAwait(false);
            var job = new Job(server, state, unit, note, place);
            if (await LeftAsync(job, cancellationToken).ConfigureAwait(false) is { } stem)
                await DropAsync(job, stem, cancellationToken).ConfigureAwait(false);
            else
                await ArchiveAsync(job, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException error) when (Refusal.IsOfLocks(error))
        {
            throw new PartitionLockTimeoutException(state.Table, unit.Kind, 1, options.LockTimeout, [], error);
        }
        catch (NpgsqlException error)
        {
            throw Refusal.Of(error, unit.Kind, state.Table, unit.Child, database.Name, database.Role);
        }
#pragma warning disable CA1031 // A store fails with whatever its client throws; the table stays, and the other partitions go on.
        catch (Exception error) when (error is not (PartmanException or OperationCanceledException))
#pragma warning restore CA1031
        {
            throw new PartmanArchiveException(state.Table, $"'{unit.Child}' could not be archived in '{store.Id}' and stays: {error.Message}", "Mend the store; the next maintenance goes on.", error);
        }
    }

    private async Task<Note> ReadNoteAsync(PartmanServer server, SetState state, PlanUnit unit, CancellationToken cancellationToken) =>
        await database.RunAsync("archive", (session, _) => session.RowAsync(
            $"""
             SELECT n.nspname::text, c.relname::text, o.child_name, o.detail ->> 'lower', o.detail ->> 'upper', o.detail ->> 'stem'
             FROM {server.OwnSchema.Quoted}.operation o JOIN pg_catalog.pg_class c ON c.oid = o.child AND c.xmin::text = o.detail ->> 'version'
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE o.parent_table = $1 AND o.child = $2 AND o.kind = '{OperationKind.Retirement}' AND o.phase = '{nameof(ExpiredAction.Archive)}'
             """,
            row => new Note(QualifiedName.Create(row.GetString(0), row.GetString(1)), QualifiedName.Parse(row.GetString(2)), row.GetString(3), row.GetString(4), row.Text(5)),
            PgParameter.Text(state.Set.ConfigKey), PgParameter.Of(unit.ChildOid, NpgsqlDbType.Oid)), cancellationToken).ConfigureAwait(false)
            ?? throw new StalePlanException(state.Table, unit.Kind, "nothing: the table was taken over by somebody else");

    /// <summary>The first part of the keys of an archive that an earlier run wrote to its end; null for none.</summary>
    private async Task<string?> LeftAsync(Job job, CancellationToken cancellationToken)
    {
        if (job.Note.Stem is not { } left)
            return null;
        if (await store.StatAsync(ArchiveManifest.KeyOf(left), cancellationToken).ConfigureAwait(false) is not null)
            return left;
        // Rows without a manifest are of a run that did not come to its end: nobody can count on them.
        await store.DeleteAsync(DataKey(left), cancellationToken).ConfigureAwait(false);
        return null;
    }

    /// <summary>Writes rows and manifest, reads the rows back, and drops the table, which nobody could write to meanwhile.</summary>
    private async Task ArchiveAsync(Job job, CancellationToken cancellationToken)
    {
        var stem = await FreeStemAsync(job.Note.Before, cancellationToken).ConfigureAwait(false);
        await NoteStemAsync(job, stem, cancellationToken).ConfigureAwait(false);
        await InTransactionAsync(async session =>
        {
            await LockAsync(session, job, drops: false).ConfigureAwait(false);
            var columns = await ArchivedColumn.OfAsync(session, job.Unit.ChildOid).ConfigureAwait(false);
            var (content, storedBytes) = await WriteRowsAsync(session, job.Note.Now, columns, DataKey(stem)).ConfigureAwait(false);
            var manifest = new ArchiveManifest
            {
                Version = ArchiveManifest.CurrentVersion,
                ParentSchema = job.State.Table.Schema!.Value.Value,
                ParentName = job.State.Table.Name.Value,
                Schema = job.Note.Before.Schema!.Value.Value,
                Name = job.Note.Before.Name.Value,
                Lower = job.Note.Lower,
                Upper = job.Note.Upper,
                Columns = columns,
                Data = DataKey(stem),
                Codec = Codec.Zstd.Name,
                StoredBytes = storedBytes,
                Content = content,
                ServerVersion = job.Server.Version.ToString(),
                ArchivedAt = job.State.Now,
            };
            await VerifyAsync(store, job.State.Table, manifest, cancellationToken).ConfigureAwait(false);
            await CommitAsync(ArchiveManifest.KeyOf(stem), manifest.ToBytes(), cancellationToken).ConfigureAwait(false);
            await LockAsync(session, job, drops: true).ConfigureAwait(false);
            await OrAnotherAsync(job, () => FinishAsync(session, job, manifest, stem)).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<string> FreeStemAsync(QualifiedName table, CancellationToken cancellationToken)
    {
        for (var number = 1; number <= MostNumbers; number++)
        {
            var stem = ArchiveManifest.Stem(table, number);
            if (await store.StatAsync(ArchiveManifest.KeyOf(stem), cancellationToken).ConfigureAwait(false) is null
                && await store.StatAsync(DataKey(stem), cancellationToken).ConfigureAwait(false) is null)
                return stem;
        }
        throw new IOException($"{MostNumbers} archives of '{table}' are there already.");
    }

    private async Task<(TableContent Content, long StoredBytes)> WriteRowsAsync(PgSession session, QualifiedName table, IReadOnlyList<ArchivedColumn> columns, string key)
    {
        var writer = await store.CreateAsync(key, new ObjectInfo(), session.CancellationToken).ConfigureAwait(false);
        await using var closing = writer.ConfigureAwait(false);
        var stored = new StoredStream(writer);
        TableContent content;
        var packed = Codec.Zstd.Compress(stored, Level, leaveOpen: true);
        await using (packed.ConfigureAwait(false))
            content = await TableContent.ReadAsync(session, table, ArchivedColumn.Quoted(columns), packed).ConfigureAwait(false);
        if (await writer.CommitAsync(new ObjectContent("", content.Bytes, stored.Bytes, ""), session.CancellationToken).ConfigureAwait(false) != ObjectCommitResult.Created)
            throw new IOException($"'{key}' was written by somebody else at the same time.");
        await store.EnsureDurableAsync(key, session.CancellationToken).ConfigureAwait(false);
        return (content, stored.Bytes);
    }

    private async Task CommitAsync(string key, byte[] bytes, CancellationToken cancellationToken)
    {
        var writer = await store.CreateAsync(key, new ObjectInfo { RawBytes = bytes.Length }, cancellationToken).ConfigureAwait(false);
        await using var closing = writer.ConfigureAwait(false);
        await writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        if (await writer.CommitAsync(ObjectContent.Of(bytes), cancellationToken).ConfigureAwait(false) != ObjectCommitResult.Created)
            throw new IOException($"'{key}' was written by somebody else at the same time.");
        await store.EnsureDurableAsync(key, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Drops a table whose archive an earlier run wrote, if it is still what was archived.</summary>
    private Task DropAsync(Job job, string stem, CancellationToken cancellationToken) => OrAnotherAsync(job, () => InTransactionAsync(async session =>
    {
        var manifest = await ArchiveManifest.ReadAsync(store, ArchiveManifest.KeyOf(stem), cancellationToken).ConfigureAwait(false)
            ?? throw new PartmanArchiveException(job.State.Table, $"The manifest '{ArchiveManifest.KeyOf(stem)}' is not in '{store.Id}' any more.", null);
        // Whoever wrote them may have been killed before they were durable.
        await store.EnsureDurableAsync(manifest.Data, cancellationToken).ConfigureAwait(false);
        await store.EnsureDurableAsync(ArchiveManifest.KeyOf(stem), cancellationToken).ConfigureAwait(false);
        // By rows: whoever rewrote the table in between may have left others in front.
        using var archived = new RowSum();
        await VerifyAsync(store, job.State.Table, manifest, cancellationToken, archived).ConfigureAwait(false);
        await LockAsync(session, job, drops: false).ConfigureAwait(false);
        using var left = new RowSum();
        var now = await TableContent.ReadAsync(session, job.Note.Now, ArchivedColumn.Quoted(manifest.Columns), null, left).ConfigureAwait(false);
        if (left.ToString() != archived.ToString())
            throw new PartmanArchiveException(job.State.Table, $"'{job.Note.Now}' has {now.Rows} rows and its archive '{stem}' has {manifest.Content.Rows}, or others: somebody wrote to it.", "The next maintenance archives it anew.");
        await LockAsync(session, job, drops: true).ConfigureAwait(false);
        await FinishAsync(session, job, manifest, stem).ConfigureAwait(false);
    }, cancellationToken));

    // Where an archive is not what it should be, it stays for whoever wants to look at it, and the next run writes another one.
    private async Task OrAnotherAsync(Job job, Func<Task> work)
    {
        try
        {
            await work().ConfigureAwait(false);
        }
        catch (PartmanArchiveException)
        {
            await NoteStemAsync(job, null, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private async Task InTransactionAsync(Func<PgSession, Task> work, CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        var session = database.On(connection, cancellationToken).Unlimited;
        await session.InTransactionAsync(async () =>
        {
            await work(session).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    // The same table as the note names it, and nobody who writes to it from here to the end of the transaction. What it refers to is locked at the very end:
    // while its rows are read nobody waits for these.
    private Task<long> LockAsync(PgSession session, Job job, bool drops) => PlainStatements.ExecuteAsync(
        session.Connection,
        [
            $"SET LOCAL lock_timeout = {PlanUnit.Milliseconds(options.LockTimeout)}", .. drops ? PartitionDdl.LockReferences(job.State, "ACCESS EXCLUSIVE") : [], $"LOCK TABLE ONLY {job.Note.Now.Quoted} IN {(drops ? "ACCESS EXCLUSIVE" : "SHARE")} MODE",
            (job.Unit with { Child = job.Note.Now, Holds = Retirement.IsNoted(job.State, job.Server, job.Unit.ChildOid) }).Guard(job.State),
        ], 0, session.CancellationToken);

    private async Task FinishAsync(PgSession session, Job job, ArchiveManifest manifest, string stem)
    {
        await RequirePresentAsync(job, manifest, stem, session.CancellationToken).ConfigureAwait(false);
        await session.ExecuteAsync($"DROP TABLE {job.Note.Now.Quoted}").ConfigureAwait(false);
        await session.ExecuteAsync(
            $"UPDATE {job.Server.OwnSchema.Quoted}.operation SET kind = '{OperationKind.Archive}', finished_at = pg_catalog.clock_timestamp(), updated_at = pg_catalog.clock_timestamp() WHERE parent_table = $1 AND child = $2 AND kind = '{OperationKind.Retirement}'",
            PgParameter.Text(job.State.Set.ConfigKey), PgParameter.Of(job.Unit.ChildOid, NpgsqlDbType.Oid)).ConfigureAwait(false);
    }

    // The last look before the table goes: absence is one thing, another place under the same name is another.
    private async Task RequirePresentAsync(Job job, ArchiveManifest manifest, string stem, CancellationToken cancellationToken)
    {
        var data = await store.StatAsync(manifest.Data, cancellationToken).ConfigureAwait(false);
        if (data?.Bytes != manifest.StoredBytes || await store.StatAsync(ArchiveManifest.KeyOf(stem), cancellationToken).ConfigureAwait(false) is null)
            throw new PartmanArchiveException(job.State.Table, $"'{manifest.Data}' of '{manifest.StoredBytes}' bytes is not in '{store.Id}' as it was written: '{data?.Bytes}'.", null);
        if (await store.IdentifyAsync(cancellationToken).ConfigureAwait(false) is var now && now != job.Place)
            throw new PartmanArchiveException(job.State.Table, $"'{store.Id}' was '{job.Place}' when the archive began, and is '{now}' now.", "Look what is mounted there.");
    }

    private async Task NoteStemAsync(Job job, string? stem, CancellationToken cancellationToken) =>
        await database.RunAsync("archive", (session, _) => session.ExecuteAsync(
            $"UPDATE {job.Server.OwnSchema.Quoted}.operation SET detail = detail || pg_catalog.jsonb_build_object('stem', $3::text), updated_at = pg_catalog.clock_timestamp() WHERE parent_table = $1 AND child = $2 AND kind = '{OperationKind.Retirement}'",
            PgParameter.Text(job.State.Set.ConfigKey), PgParameter.Of(job.Unit.ChildOid, NpgsqlDbType.Oid), PgParameter.Text(stem)), cancellationToken).ConfigureAwait(false);

    private static string DataKey(string stem) => $"{stem}.copy{Codec.Zstd.Extension}";

    /// <summary>Reads the rows back and compares them with the manifest.</summary>
    /// <exception cref="PartmanArchiveException">They are not what was written.</exception>
    public static Task<TableContent> VerifyAsync(IObjectStore store, QualifiedName? table, ArchiveManifest manifest, CancellationToken cancellationToken, RowSum? sum = null) =>
        WithRowsAsync(store, table, manifest, rows => TableContent.PassAsync(rows, null, cancellationToken, sum), cancellationToken);

    /// <summary>Passes the archived rows to somebody, who counts them, and compares what passed with the manifest.</summary>
    /// <exception cref="PartmanArchiveException">They are not what was written.</exception>
    public static async Task<TableContent> WithRowsAsync(IObjectStore store, QualifiedName? table, ArchiveManifest manifest, Func<Stream, Task<TableContent>> use, CancellationToken cancellationToken)
    {
        var stored = await store.OpenReadAsync(manifest.Data, cancellationToken).ConfigureAwait(false)
            ?? throw new PartmanArchiveException(table, $"'{manifest.Data}' is not in '{store.Id}', and its manifest is.", null);
        await using var closing = stored.ConfigureAwait(false);
        try
        {
            var rows = Codec.Parse(manifest.Codec).Decompress(stored, leaveOpen: true);
            await using var ending = rows.ConfigureAwait(false);
            var found = await use(rows).ConfigureAwait(false);
            return found == manifest.Content ? found
                : throw new PartmanArchiveException(table, $"'{manifest.Data}' in '{store.Id}' has {found.Rows} rows with SHA-256 '{found.Sha256}', and its manifest says {manifest.Content.Rows} with '{manifest.Content.Sha256}'.", null);
        }
        catch (CorruptCompressedDataException error)
        {
            throw new PartmanArchiveException(table, $"'{manifest.Data}' in '{store.Id}' is damaged: {error.Message}", null, error);
        }
    }

    private sealed class StoredStream(IObjectWriter writer) : WriteOnlyStream
    {
        public long Bytes { get; private set; }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await writer.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            Bytes += buffer.Length;
        }

        public override void Write(ReadOnlySpan<byte> buffer) => throw new NotSupportedException("A store is written asynchronously.");

        public override void Flush()
        {
        }
    }
}
