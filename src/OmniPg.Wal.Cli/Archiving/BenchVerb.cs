using System.Text.Json;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>Which codec for this WAL on this machine?</summary>
internal sealed class BenchVerb : Verb
{
    private static readonly Option Segments = Option.Value("--segments", "DIR", "uncompressed segments (default: pg_wal of the data directory)");
    private static readonly Option Count = Option.Value("--count", "N", "use at most N segments (default 20)");
    private static readonly Option Codecs = Option.Many("--codec", "CODEC[:LEVEL]", "try this codec (default: all that work here)");
    private static readonly Option Validate = Option.Value("--validate", "LEVEL", "none, header or full (default)");

    public override string Name => "bench";

    public override string Summary => "try the codecs on real segments: speed, ratio, memory";

    public override string Example => "omnipg-wal bench --segments /var/lib/postgresql/15/main/pg_wal";

    public override IReadOnlyList<Option> Options { get; } = [CommonOptions.DataDirectory, Segments, Count, Codecs, Validate, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var directory = arguments.Get(Segments) ?? Path.Combine(arguments.Get(CommonOptions.DataDirectory) ?? ".", "pg_wal");
        if (!Directory.Exists(directory))
            throw new DirectoryNotFoundException($"The directory '{directory}' does not exist; name one with {Segments.Name}.");
        var segments = await CodecTrial.FindSegmentsAsync(directory, arguments.Integer(Count, 1) ?? 20, cancellationToken);
        if (segments.Count == 0)
            throw new FileNotFoundException($"The directory '{directory}' holds no complete segment.");
        var results = CodecTrial.RunAsync(segments, Chosen(arguments), CommonOptions.Validation(arguments, Validate), context.Time, cancellationToken);
        if (arguments.Has(CommonOptions.Json))
            await WriteJsonAsync(results, context);
        else
            await WriteTextAsync(results, segments.Count, context);
        return ExitCodes.Done;
    }

    private static async Task WriteTextAsync(IAsyncEnumerable<CodecTrial.Result> results, int segments, ProgramContext context)
    {
        await context.Output.WriteLineAsync($"{segments} segments, {ProgramVersion.Of("omnipg-wal")}");
        await context.Output.WriteLineAsync($"{"codec",-12} {"MiB/s",8} {"ratio",8} {"ms/segment",11} {"alloc KiB/segment",18} {"process MiB",12}");
        await foreach (var r in results)
        {
            await context.Output.WriteLineAsync(FormattableString.Invariant(
                $"{r.Codec,-12} {r.MebibytesPerSecond,8:0} {r.Ratio,8:0.00} {r.Elapsed.TotalMilliseconds / r.Segments,11:0.0} {r.AllocatedBytes / r.Segments / 1024,18} {r.PeakBytes >> 20,12}"));
            await context.Output.FlushAsync();
        }
    }

    private static async Task WriteJsonAsync(IAsyncEnumerable<CodecTrial.Result> results, ProgramContext context)
    {
        var all = new List<CodecTrial.Result>();
        await foreach (var result in results)
            all.Add(result);
        JsonDocumentWriter.Write(context, json => WriteJson(json, all));
    }

    private static void WriteJson(Utf8JsonWriter json, List<CodecTrial.Result> results)
    {
        json.WriteStartArray("codecs");
        foreach (var result in results)
        {
            json.WriteStartObject();
            json.WriteString("codec", result.Codec);
            json.WriteNumber("segments", result.Segments);
            json.WriteNumber("rawBytes", result.RawBytes);
            json.WriteNumber("storedBytes", result.StoredBytes);
            json.WriteNumber("seconds", result.Elapsed.TotalSeconds);
            json.WriteNumber("mebibytesPerSecond", result.MebibytesPerSecond);
            json.WriteNumber("ratio", result.Ratio);
            json.WriteNumber("allocatedBytes", result.AllocatedBytes);
            json.WriteNumber("processBytes", result.PeakBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static IEnumerable<(Codec Codec, int? Level)> Chosen(Arguments arguments)
    {
        if (arguments.All(Codecs) is { Count: > 0 } words)
            return words.Select(Parse).ToArray();
        // External programs are for reading old archives; as a choice for new ones they would only waste the user's time here.
        Codec[] builtIn = [Codec.None, Codec.Lz4, Codec.Zstd, Codec.Gzip, Codec.Brotli];
        return builtIn.Select(c => (c, (int?)null)).Concat([(Codec.Zstd, 1), (Codec.Zstd, 3)]).Where(c => c.Item1.IsAvailable(out _)).ToArray();
    }

    private static (Codec Codec, int? Level) Parse(string word)
    {
        try
        {
            var location = WalLocation.Parse(word + "=.");
            return (location.Codec, location.Level);
        }
        catch (FormatException e)
        {
            throw new UsageException($"The option {Codecs.Name} is wrong: {e.Message}");
        }
    }
}
