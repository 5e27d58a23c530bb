using OmniPg.Shared;

namespace OmniPg.Wal.Tests.Versions;

/// <summary>What the documentation says about versions is what the table says.</summary>
public sealed class VersionTextTests
{
    [Fact]
    public void The_range_is_that_of_the_table() => PgMajor.Range.Should().Be("13 to 18, 19 as a preview");

    [Fact]
    public void The_page_about_the_reader_has_one_row_per_version()
    {
        var page = File.ReadAllText(Path.Combine(Root(), "docs", "wal-reader.md"));

        page.Should().Contain($"PostgreSQL {PgMajor.Range}");
        foreach (var major in PgMajor.Known)
        {
            var control = major.Control is { } layout ? $"{layout.Version} | {layout.Crc}" : "not read | ";
            var state = major.IsPreview ? "preview" : major.Control is null ? "WAL only" : "supported";
            page.Should().Contain($"| {major.Number} | {major.Magic:X4} | {control} | {state} |");
        }
    }

    // By the solution, not by the path of this file: a reproducible build writes another one into the assembly.
    private static string Root()
    {
        var at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "OmniPg.Sdk.sln")))
            at = Path.GetDirectoryName(at) ?? throw new InvalidOperationException("The tests run outside of the repository.");
        return at;
    }
}
