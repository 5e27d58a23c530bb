using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace OmniPg.Guard.Tests;

/// <summary>Whoever calls one of the main types learns in the editor what to catch.</summary>
public sealed partial class ExceptionDocTests
{
    private static readonly HashSet<string> Main = new HashSet<string>(StringComparer.Ordinal)
    {
        "OmniPg.Wal.WalArchiver", "OmniPg.Wal.WalRestorer", "OmniPg.Wal.WalRepository",
        "OmniPg.Jobmon.IJobmon", "OmniPg.Jobmon.IJob", "OmniPg.Jobmon.IStep", "OmniPg.Jobmon.IJobHistory", "OmniPg.Jobmon.IJobMonitor", "OmniPg.Jobmon.IJobmonAdmin",
        "OmniPg.Extractor.IPgExtractor", "OmniPg.Extractor.Extraction", "OmniPg.Extractor.SchemaTree",
        "OmniPg.Mimeo.IMimeo", "OmniPg.Partman.IPartman",
    };

    [Fact]
    public void Each_asynchronous_call_names_the_exceptions_it_throws()
    {
        var documented = Repository.Libraries.Values
            .SelectMany(static assembly => XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member"))
            // Linked sources are in several assemblies.
            .DistinctBy(static member => member.Attribute("name")!.Value).ToDictionary(static member => member.Attribute("name")!.Value, StringComparer.Ordinal);
        var calls = documented.Where(static member => Call().Match(member.Key) is { Success: true } call && Main.Contains(call.Groups["type"].Value)).ToList();

        calls.Select(static call => Call().Match(call.Key).Groups["type"].Value).Distinct().Should().BeEquivalentTo(Main, "each of the main types exists and is looked at");
        calls.Where(call => !NamesAny(call.Value, documented)).Select(static call => call.Key).Should().BeEmpty();
    }

    private static bool NamesAny(XElement member, IReadOnlyDictionary<string, XElement> documented) => member.Elements("exception").Any()
        || (member.Element("inheritdoc")?.Attribute("cref")?.Value is { } other && documented.TryGetValue(other, out var inherited) && NamesAny(inherited, documented));

    [GeneratedRegex(@"^M:(?<type>[\w.]+)\.\w+Async(``\d+)?\(", RegexOptions.CultureInvariant)]
    private static partial Regex Call();
}
