using System.Buffers;
using System.Text;
using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>The records of one segment, compressed or not, one line each.</summary>
internal sealed class DumpVerb : Verb
{
    private static readonly Option Short = Option.Flag("--allow-short", "accept a segment that a server still writes");

    public override string Name => "dump";

    public override string Summary => "print the records of a segment: lsn prev xid rmgr info len";

    public override string Operands => "SEGMENT…";

    public override string Example => "omnipg-wal dump /mnt/archive/000000010000000000000003.zst";

    public override IReadOnlyList<Option> Options { get; } = [CommonOptions.Json, Short, CommonOptions.UnknownVersion];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        if (arguments.Operands.Count == 0)
            throw new UsageException("Expected the path of a segment.");
        WalChainState? previous = null;
        foreach (var path in arguments.Operands)
            previous = await DumpAsync(path, previous, arguments, context, cancellationToken);
        return ExitCodes.Done;
    }

    private static async Task<WalChainState?> DumpAsync(
        string path, WalChainState? previous, Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        WalValidationResult? summary = null;
        var options = new WalReadOptions
        {
            Name = WalObjectKey.TryParse(path, out var name, out _) ? name : null,
            Expectations = new WalExpectations { AllowShort = arguments.Has(Short), AllowUnknownVersion = CommonOptions.AllowsUnknownVersion(arguments), Previous = previous },
            OnSegmentEnd = s => summary = s,
        };
        await using var store = new DirectoryObjectStore(Path.GetDirectoryName(Path.GetFullPath(path))!);
        await using var content = await WalContent.OpenReadAsync(store, Path.GetFileName(path), cancellationToken)
            ?? throw new FileNotFoundException($"The file '{path}' does not exist.");
        var json = arguments.Has(CommonOptions.Json);
        var isKnown = true;
        await foreach (var record in WalSegmentReader.ReadAsync(content, options, cancellationToken))
        {
            if (record.PgMajor == 0 && isKnown)
                ProgramLog.UnknownVersion(context.Logs.CreateLogger("dump"), $"The records of {Path.GetFileName(path)}", "they are read like those of the newest version it knows");
            isKnown = record.PgMajor != 0;
            await context.Output.WriteLineAsync(json ? Json(record) : WalRecordFormatter.Format(record));
        }

        if (!json)
            await context.Error.WriteLineAsync(Summarize(path, summary!));
        return summary?.Next;
    }

    private static string Summarize(string path, WalValidationResult s) =>
        $"{Path.GetFileName(path)}: {s.Records} records, {(s.PgMajor == 0 ? "unknown version of PostgreSQL" : $"PostgreSQL {s.PgMajor}")}, system {s.SystemIdentifier}, timeline {s.LastTli}, valid to {s.EndOfValid}"
        + (s.LastCommit is { } last ? $", last commit {last:yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'}" : "")
        + (s.EndsWithSwitch ? ", ends with a switch" : "")
        + (s.ContinuesInNextBytes > 0 ? $", {s.ContinuesInNextBytes} bytes of the last record are in the next segment" : "");

    // One JSON object on one line.
    private static string Json(in WalRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("lsn", record.Lsn.ToString());
            json.WriteString("prev", record.Previous.ToString());
            json.WriteNumber("xid", record.TransactionId);
            json.WriteString("rmgr", record.RmgrName);
            json.WriteNumber("info", record.Info);
            json.WriteNumber("len", record.TotalLength);
            WriteDetail(json, record.Detail);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteDetail(Utf8JsonWriter json, WalRecordDetail? detail)
    {
        switch (detail)
        {
            case WalTransactionEnd end:
                json.WriteString("time", end.Time);
                break;
            case WalRestorePoint point:
                json.WriteString("time", point.Time);
                json.WriteString("restorePoint", point.Name);
                break;
        }
    }
}
