
namespace OmniPg.Extractor.Tests.Ordering;

public sealed class EntryOrderTests
{
    [Fact]
    public void Order_depends_on_names_and_dependencies_only()
    {
        TocEntry[] entries =
        [
            Entry(1, TocKind.Table, "zebra"), Entry(2, TocKind.View, "apple", 1), Entry(3, TocKind.Schema, "s"),
            Entry(4, TocKind.Comment, "TABLE zebra", 1), Entry(5, TocKind.Function, "f()", 1), Entry(6, TocKind.Acl, "TABLE zebra", 1),
        ];

        var first = EntryOrder.Sort(entries, _ => { }).Select(e => e.Tag);
        var second = EntryOrder.Sort([.. entries.Reverse()], _ => { }).Select(e => e.Tag);

        first.Should().Equal("s", "zebra", "TABLE zebra", "f()", "apple", "TABLE zebra");
        second.Should().Equal(first);
    }

    [Fact]
    public void Cycle_keeps_every_entry_and_warns()
    {
        var warnings = new List<string>();

        var result = EntryOrder.Sort([Entry(1, TocKind.View, "a", 2), Entry(2, TocKind.View, "b", 1), Entry(3, TocKind.View, "c", 2)], warnings.Add);

        result.Select(e => e.Tag).Should().Equal("a", "b", "c");
        warnings.Should().ContainSingle().Which.Should().Contain("cycle at 'View a'");
    }

    [Theory]
    [InlineData("15.18 (Debian 15.18-0+deb12u1)", true)]
    [InlineData("15.14", false)]
    [InlineData("13.22", false)]
    [InlineData("18.1", true)]
    [InlineData("18beta2", false)]
    [InlineData("19devel", true)]
    [InlineData("19rc1 (Debian 19~rc1-1)", true)]
    public void Archive_order_is_trusted_from_the_fixed_releases_on(string version, bool expected)
    {
        EntryOrder.IsStable(version).Should().Be(expected);
    }

    private static TocEntry Entry(int id, TocKind kind, string tag, params int[] needs) => new()
    {
        DumpId = id, Kind = kind, Desc = kind.ToString(), Tag = tag, Index = id, Section = TocSection.PreData,
        Pass = kind == TocKind.Acl ? TocPass.Acl : TocPass.Main, Dependencies = [.. needs],
    };
}
