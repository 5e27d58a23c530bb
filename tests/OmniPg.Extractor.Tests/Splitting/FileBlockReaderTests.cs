using System.Text;

namespace OmniPg.Extractor.Tests.Splitting;

public sealed class FileBlockReaderTests
{
    [Fact]
    public void Blocks_begin_at_markers_only()
    {
        var first = Marker("a", "TABLE") + "CREATE TABLE a ();\n\n\n";
        var second = Marker("b", "FUNCTION") + "CREATE FUNCTION b() AS $$\n--\n-- Name: x; Type: TABLE; Schema: s; Owner: o\n--\n$$;\n";

        var blocks = Read("SET x = 1;\n\n" + first + second);

        blocks.Select(b => b.Text).Should().Equal("SET x = 1;\n\n", first, second);
        blocks.Select(b => b.Name).Should().Equal(null, "a", "b");
    }

    [Theory]
    [InlineData("COMMENT ON TABLE a IS '\n", "';\n")]
    [InlineData("SELECT E'\\'\n", "';\n")]
    [InlineData("SELECT E'a''\n", "';\n")]
    [InlineData("SELECT \"\n", "\";\n")]
    [InlineData("SELECT $t$ $t $ $\n", "$t$;\n")]
    [InlineData("/* /* */\n", "*/\n")]
    [InlineData("COPY a (b) FROM stdin;\n'\n", "\\.\n")]
    public void Marker_inside_something_is_no_marker(string open, string close)
    {
        var text = Marker("a", "TABLE") + open + Marker("fake", "TABLE") + close;
        var next = Marker("b", "VIEW") + "CREATE VIEW b;\n";

        Read(text + next).Select(b => b.Text).Should().Equal(text, next);
    }

    [Theory]
    [InlineData("SELECT 'it''s', \"a\"\"b\", $1, a$b$c, 1-1, 'x' -- '\n;\n")]
    [InlineData("SELECT 'a\\';\n")]
    [InlineData("SELECT /*/ ' */ 1;\n")]
    [InlineData("SELECT U&'\\0441', B'1', type'x';\n")]
    public void Marker_after_closed_constructs_is_found(string statement)
    {
        var text = Marker("a", "TABLE") + statement;
        var next = Marker("b", "VIEW");

        Read(text + next).Select(b => b.Text).Should().Equal(text, next);
    }

    [Fact]
    public void Header_with_separators_in_the_name_is_read_from_the_right()
    {
        var header = BlockHeader.Parse("-- Name: t; Type: X; Schema: y; Owner: z; Type: TABLE; Schema: app; Owner: joe; Tablespace: fast");

        header.Should().Be(new BlockHeader("t; Type: X; Schema: y; Owner: z", "TABLE", "app", "joe", "fast"));
    }

    [Fact]
    public void Data_blocks_are_recognised()
    {
        var text = "--\n-- Data for Name: a; Type: TABLE DATA; Schema: s; Owner: o\n--\n\nCOPY s.a (b) FROM stdin;\n--\n\\.\n";

        var blocks = FileBlockReader.Read(Encoding.UTF8.GetBytes(text));

        blocks.Should().ContainSingle().Which.HasRows.Should().BeTrue();
    }

    private static string Marker(string name, string type) => $"--\n-- Name: {name}; Type: {type}; Schema: s; Owner: o\n--\n\n";

    private static List<(string Text, string? Name)> Read(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return [.. FileBlockReader.Read(bytes)
            .Select(block => (Encoding.UTF8.GetString(bytes, (int)block.Offset, (int)block.Length), block.Header?.Name))];
    }
}
