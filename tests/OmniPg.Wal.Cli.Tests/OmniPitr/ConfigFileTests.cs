namespace OmniPg.Wal.Cli.Tests;

public sealed class ConfigFileTests
{
    [Fact]
    public void All_forms_of_the_original_are_read_in_order()
    {
        const string Text = "# comment\n\n--dst-local gzip=/mnt/a b  \n--state-dir=/var/x = y\n-dr=host:/z\n-D /data\n  --verbose\n--log  /l-^Y\t\n--empty=\n";

        var options = ConfigFile.Parse(new StringReader(Text));

        options.Select(o => $"{o.Key}|{o.Value ?? "(flag)"}").Should().Equal(
            "--dst-local|gzip=/mnt/a b", "--state-dir|/var/x = y", "-dr|host:/z", "-D|/data", "--verbose|(flag)", "--log|/l-^Y", "--empty|");
    }

    [Theory]
    [InlineData("dst-local=/a")]
    [InlineData("--")]
    [InlineData("- x")]
    public void Line_that_is_no_option_is_named_with_its_number(string line)
    {
        var act = () => ConfigFile.Parse(new StringReader("--ok\n" + line), "wal.conf");

        act.Should().Throw<WalConfigurationException>().WithMessage($"Line 2 of 'wal.conf' is not an option: '{line}'.*");
    }

    [Fact]
    public void Missing_file_is_named()
    {
        var act = () => ConfigFile.Read("/nowhere/wal.conf");

        act.Should().Throw<WalConfigurationException>().WithMessage("The configuration file '/nowhere/wal.conf' cannot be read*");
    }
}
