
namespace OmniPg.Extractor.Tests.Secrets;

public sealed class SecretRedactorTests
{
    [Theory]
    [InlineData("OPTIONS (\n    password 'it''s',\n    \"user\" 'bob'\n)", "OPTIONS (\n    password '********',\n    \"user\" 'bob'\n)")]
    [InlineData("OPTIONS (passcode E'a\\\\b', host 'h')", "OPTIONS (passcode '********', host 'h')")]
    [InlineData("OPTIONS (aws_secret_access_key 'k')", "OPTIONS (aws_secret_access_key '********')")]
    [InlineData("CONNECTION 'host=h password=p user=u'", "CONNECTION 'host=h password=******** user=u'")]
    [InlineData("CONNECTION 'password = ''a b'' host=h'", "CONNECTION 'password = ******** host=h'")]
    [InlineData("CONNECTION 'postgresql://u:p%40w@h/d?sslpassword=s&x=1'", "CONNECTION 'postgresql://u:********@h/d?sslpassword=********&x=1'")]
    [InlineData("OPTIONS (host 'password', port '1')", "OPTIONS (host 'password', port '1')")]
    [InlineData("OPTIONS (password 'p', password_required 'false')", "OPTIONS (password '********', password_required 'false')")]
    [InlineData("OPTIONS (use_password_auth 'on', token_lifetime '60', password_file '/etc/p')", "OPTIONS (use_password_auth 'on', token_lifetime '60', password_file '/etc/p')")]
    [InlineData("OPTIONS (scram_client_key 'k', session_token 't')", "OPTIONS (scram_client_key '********', session_token '********')")]
    public void Secrets_are_masked_and_nothing_else(string definition, string expected)
    {
        SecretRedactor.Redact(definition).Should().Be(expected);
    }

    [Theory]
    [InlineData("OPTIONS (password '********')", "it's", "OPTIONS (password 'it''s')")]
    [InlineData("CONNECTION 'host=h password=********'", "a b'c", "CONNECTION E'host=h password=''a b\\\\''c'''")]
    [InlineData("CONNECTION 'postgresql://u:********@h/d'", "p@w", "CONNECTION 'postgresql://u:p%40w@h/d'")]
    public void Secrets_are_put_back(string masked, string secret, string expected)
    {
        SecretRedactor.MaskedOptions(masked).Should().Equal("password");
        SecretRedactor.Restore(masked, [secret]).Should().Be(expected);
    }
}
