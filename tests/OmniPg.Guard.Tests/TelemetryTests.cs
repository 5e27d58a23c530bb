using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace OmniPg.Guard.Tests;

/// <summary>docs/telemetry.md lists exactly what the code emits. Log events are rewritten by <c>OMNIPG_APPROVE=1</c>; the rest is written by hand.</summary>
public sealed partial class TelemetryTests
{
    private const string Page = "docs/telemetry.md";
    private const string Begin = "<!-- log events -->\n";
    private const string End = "<!-- end of log events -->";

    // The hundreds of each package; the program's own events are the last hundred of its library's.
    private static readonly Dictionary<string, (int First, int Last)> Blocks = new()
    {
        ["OmniPg.Core"] = (1000, 1999),
        ["OmniPg.Wal"] = (2000, 2899),
        ["OmniPg.Wal.Cli"] = (2900, 2999),
        ["OmniPg.Jobmon"] = (3000, 3999),
        ["OmniPg.Mimeo"] = (4000, 4999),
        ["OmniPg.Partman"] = (5000, 5999),
        ["OmniPg.Extractor"] = (6000, 6899),
        ["OmniPg.Cli"] = (6900, 6999),
        ["OmniPg.Storage.S3"] = (7000, 7099),
    };

    [Fact]
    public void The_page_lists_every_log_event()
    {
        var rows = "| Id | Level | Message | Package |\n|---|---|---|---|\n" + string.Concat(LogEvents().OrderBy(static e => e.Id)
            .Select(static e => $"| {e.Id.ToString(CultureInfo.InvariantCulture)} | {e.Level} | {e.Message.Replace("|", "\\|", StringComparison.Ordinal)} | {e.Package} |\n"));
        if (Environment.GetEnvironmentVariable("OMNIPG_APPROVE") == "1")
            File.WriteAllText(Path.Combine(Repository.Root, Page), ReplaceTable(Repository.Read(Page).ReplaceLineEndings("\n"), rows));
        var page = Repository.Read(Page).ReplaceLineEndings("\n");

        page.Should().Be(ReplaceTable(page, rows), "OMNIPG_APPROVE=1 writes the table anew");
    }

    [Fact]
    public void Every_log_event_has_an_id_of_its_own_in_the_block_of_its_package()
    {
        var events = LogEvents().ToArray();

        events.Should().OnlyHaveUniqueItems(static e => e.Id);
        events.Should().OnlyContain(static e => e.Id >= Blocks[e.Package].First && e.Id <= Blocks[e.Package].Last);
    }

    [Fact]
    public void The_page_lists_every_instrument_with_its_unit()
    {
        var rows = InstrumentRow().Matches(Repository.Read(Page)).Select(static m => (m.Groups["name"].Value, m.Groups["kind"].Value, m.Groups["unit"].Value));
        var emitted = Instruments().Select(static i => (i.Name, Kind(i), i.Unit ?? ""));

        rows.Should().BeEquivalentTo(emitted);
    }

    [Fact]
    public void The_page_names_every_span_and_tag()
    {
        var page = Repository.Read(Page);
        var named = Sources().SelectMany(static f => SpanOrTag().Matches(File.ReadAllText(f)).Select(static m => m.Groups["name"].Value)).Distinct();

        named.Should().NotBeEmpty();
        named.Where(n => !page.Contains($"`{n}`", StringComparison.Ordinal)).Should().BeEmpty();
    }

    private static string ReplaceTable(string page, string rows) =>
        page[..(page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)] + rows + page[page.IndexOf(End, StringComparison.Ordinal)..];

    private static IEnumerable<(int Id, string Level, string Message, string Package)> LogEvents() =>
        from file in Sources()
        let package = Path.GetRelativePath(Path.Combine(Repository.Root, "src"), file).Split(Path.DirectorySeparatorChar)[0]
        from match in LogEvent().Matches(File.ReadAllText(file))
        select (int.Parse(match.Groups["id"].Value, CultureInfo.InvariantCulture), match.Groups["level"].Value, match.Groups["message"].Value, package);

    private static List<Instrument> Instruments()
    {
        var found = new List<Instrument>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (Repository.Libraries.ContainsKey(instrument.Meter.Name))
                    found.Add(instrument);
            },
        };
        // Instruments are static fields: they exist once the type that holds them has been initialised.
        foreach (var type in Repository.Libraries.Values.SelectMany(static a => a.GetTypes()).Where(HoldsInstruments))
            RuntimeHelpers.RunClassConstructor(type.TypeHandle);
        listener.Start();
        return found;
    }

    private static bool HoldsInstruments(Type type) =>
        !type.ContainsGenericParameters
        && type.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public).Any(static f => typeof(Instrument).IsAssignableFrom(f.FieldType) || f.FieldType == typeof(Meter));

    private static string Kind(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        "Counter" or "ObservableCounter" => "counter",
        "UpDownCounter" or "ObservableUpDownCounter" => "up-down counter",
        "Histogram" => "histogram",
        "Gauge" or "ObservableGauge" => "gauge",
        var other => other,
    };

    private static IEnumerable<string> Sources() =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(static f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    [GeneratedRegex("""LoggerMessage\(\s*(?<id>\d+),\s*LogLevel\.(?<level>\w+),\s*"(?<message>(?:[^"\\]|\\.)*)"\s*\)""")]
    private static partial Regex LogEvent();

    [GeneratedRegex("""(?:StartActivity|SetTag)\(\s*"(?<name>[^"]+)""")]
    private static partial Regex SpanOrTag();

    [GeneratedRegex(@"^\| `(?<name>omnipg\.[a-z._]+)` \| (?<kind>[a-z -]+) \| `(?<unit>[^`]*)` \|", RegexOptions.Multiline)]
    private static partial Regex InstrumentRow();
}
