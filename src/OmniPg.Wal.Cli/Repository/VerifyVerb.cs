using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>Every file of an archive read and checked, the chain over all segments, gaps per timeline.</summary>
internal sealed class VerifyVerb : Verb
{
    // Not from the environment, where it stands for 'backup': whoever verifies a copy elsewhere does not mean it.
    private static readonly Option Connection = BackupOptions.Connection with { Help = "the server that archives here, in the driver's words: tells of each gap whether it fills by itself" };
    private static readonly Option Receiver = Option.Value("--receiver", "DIR", "with --connection: the directory of the receiver that delivers here; what lies there is on its way, not lost");
    private static readonly Option Validate = Option.Value("--validate", "LEVEL", "none, header or full (default)");

    public override string Name => "verify";

    public override string Summary => "check every file of an archive and find gaps; exit 23: invalid files, 1: gaps that do not fill by themselves";

    public override string Example => "omnipg-wal verify --archive /mnt/archive --connection 'Host=db1;Username=monitor'";

    public override IReadOnlyList<Option> Options { get; } = [.. StoreOptions.OfArchive, Connection, Receiver, Validate, CommonOptions.UnknownVersion, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var repository = new WalRepository(StoreOptions.OpenArchiveToRead(arguments, context), context.Logs);
        using var progress = ProgressLine.Start(context);
        await using var server = arguments.Get(Connection) is { } text ? BackupOptions.Connect(text) : null;
        var options = new WalVerifyOptions { Server = server, ReceiverDirectory = arguments.Get(Receiver), Validation = CommonOptions.Validation(arguments, Validate), AllowUnknownVersion = CommonOptions.AllowsUnknownVersion(arguments) };
        var result = await repository.VerifyAsync(options, progress, cancellationToken);
        progress?.Dispose();
        if (arguments.Has(CommonOptions.Json))
            JsonDocumentWriter.Write(context, json => WriteJson(json, result));
        else
            WriteText(context.Output, result);
        if (result.UnknownVersions > 0)
            ProgramLog.UnknownVersion(context.Logs.CreateLogger(Name), $"{result.UnknownVersions} segments", "only their headers were checked");
        return result.Problems.Count > 0 ? ExitCodes.InvalidSegment : result.IsGood ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static void WriteText(TextWriter output, WalVerifyResult result)
    {
        foreach (var problem in result.Problems)
            output.WriteLine($"INVALID {problem.File.Key}: {OneLine.Of(problem.Error.Message)}");
        foreach (var gap in result.Gaps)
            output.WriteLine($"{WordOf(gap.Status)} {gap.From} to {gap.To} ({gap.Count} segments of timeline {gap.Timeline}{(gap.Dropped > 0 ? $", {gap.Dropped} given up by the archiver" : "")})");
        foreach (var history in result.MissingHistories)
            output.WriteLine($"MISSING {history}: nothing leads from the older timelines to timeline {history.Timeline}");
        if (result.Failure is { } failure)
            output.WriteLine($"archiving fails, last of '{OneLine.Of(failure.File ?? "")}' at {(failure.Time is { } time ? ListingJson.Text(time) : "an unknown time")}");
        foreach (var timeline in result.Timelines)
            output.WriteLine(ListingJson.Line(timeline));
        output.WriteLine(
            $"{result.Files} files, {result.RawBytes} bytes, {result.Records} records checked; {result.Problems.Count} invalid, {result.Gaps.Count} gaps");
    }

    private static string WordOf(WalGapStatus? status) => status is null ? "MISSING" : status.Value.ToString().ToUpperInvariant();

    private static void WriteJson(Utf8JsonWriter json, WalVerifyResult result)
    {
        json.WriteNumber("files", result.Files);
        json.WriteNumber("rawBytes", result.RawBytes);
        json.WriteNumber("records", result.Records);
        json.WriteNumber("unknownVersions", result.UnknownVersions);
        json.WriteStartArray("invalid");
        foreach (var problem in result.Problems)
        {
            json.WriteStartObject();
            json.WriteString("file", problem.File.Key);
            json.WriteString("code", (problem.Error as OmniPgException)?.Code);
            json.WriteString("message", problem.Error.Message);
            if (problem.Error is WalValidationException { BeginsIn: { } begins })
                json.WriteString("beginsIn", begins);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        ListingJson.WriteTimelines(json, result.Timelines);
        ListingJson.WriteGaps(json, result.Gaps);
        json.WriteStartArray("missingHistories");
        foreach (var history in result.MissingHistories)
            json.WriteStringValue(history.ToString());
        json.WriteEndArray();
        if (result.Failure is not { } failure)
            return;
        json.WriteStartObject("archivingFails");
        json.WriteString("file", failure.File);
        ListingJson.WriteTime(json, "time", failure.Time);
        json.WriteEndObject();
    }
}
