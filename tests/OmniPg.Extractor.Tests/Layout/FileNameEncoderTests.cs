namespace OmniPg.Extractor.Tests.Layout;

public sealed class FileNameEncoderTests
{
    [Theory]
    [InlineData("orders", "orders")]
    [InlineData("order_2", "order_2")]
    [InlineData("Mixed-Case", "Mixed,2d,Case")]
    [InlineData("a,b", "a,2c,b")]
    [InlineData("a–b", "a,2013,b")]
    [InlineData("größe", "größe")]
    [InlineData("名前", "名前")]
    [InlineData("½", "½")]
    [InlineData("../etc", ",2e,,2e,,2f,etc")]
    [InlineData("-rf", ",2d,rf")]
    [InlineData("line\nbreak", "line,0a,break")]
    [InlineData("100%", "100,25,")]
    [InlineData("😀", ",1f600,")]
    [InlineData("   ", ",20,,20,,20,")]
    [InlineData("\\", ",5c,")]
    public void Encode_writes_what_the_original_wrote(string name, string expected)
    {
        FileNameEncoder.Encode(name).Should().Be(expected);
    }

    [Theory]
    [InlineData("e\u0301", "e,301,")]
    [InlineData("\u212B", ",212b,")]
    [InlineData("\u1100\u1161", ",1100,,1161,")]
    public void Encode_leaves_no_letter_that_a_file_system_could_normalise(string name, string expected)
    {
        FileNameEncoder.Encode(name).Should().Be(expected);
    }

    [Fact]
    public void Encode_survives_an_unpaired_surrogate()
    {
        FileNameEncoder.Encode("a\ud800b").Should().Be("a,d800,b");
    }

    [Fact]
    public void Encode_qualified_joins_the_parts_that_exist()
    {
        FileNameEncoder.EncodeQualified("app", "a.b").Should().Be("app.a,2e,b");
        FileNameEncoder.EncodeQualified(null, "x").Should().Be("x");
    }
}
