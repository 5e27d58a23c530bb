using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Storage.Azure.Tests;

/// <summary>Stands between a store and the emulator, passes every request on as it is, and breaks when told to.</summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Uri _target;
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false });

    private FaultProxy(WebApplication app, Uri target) => (_app, _target) = (app, target);

    public Uri Url => new(_app.Urls.Single());

    /// <summary>Called for each request before it is passed on; what it returns happens instead of it or to it. The key is the whole path.</summary>
    public Func<S3Call, S3Fault?> Fault { get; set; } = static _ => null;

    public static async Task<FaultProxy> StartAsync(Uri target)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(static o => o.Limits.MaxRequestBodySize = null);
        var app = builder.Build();
        var proxy = new FaultProxy(app, target);
        app.Run(proxy.AnswerAsync);
        await app.StartAsync();
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _client.Dispose();
    }

    private async Task AnswerAsync(HttpContext http)
    {
        var path = http.Features.Get<IHttpRequestFeature>()!.RawTarget;
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        var fault = Fault(new S3Call(http.Request.Method, Uri.UnescapeDataString(path.Split('?')[0]), http.Request.QueryString.Value ?? ""));
        if (fault is { Hold: { } hold })
            await hold.WaitAsync(http.RequestAborted);
        HttpResponseMessage? answer = null;
        if (fault is null or { AfterWork: true } or { BodyBytes: not null })
            answer = await PassOnAsync(http, path, body.ToArray());
        using var disposing = answer;
        if (fault is { Cut: true })
            http.Abort();
        else if (fault is { Status: { } status })
            await ErrorAsync(http, status, fault.Error);
        else
            await GiveBackAsync(http, answer!, fault?.BodyBytes);
    }

    // Byte for byte: the signature covers the path as it was written.
    private Task<HttpResponseMessage> PassOnAsync(HttpContext http, string path, byte[] body)
    {
        var url = new Uri(_target.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(http.Request.Method), url);
        if (http.Request.ContentLength is not null)
            request.Content = new ByteArrayContent(body);
        foreach (var (name, values) in http.Request.Headers)
            if (!name.Equals("Host", StringComparison.OrdinalIgnoreCase) && !request.Headers.TryAddWithoutValidation(name, values.ToArray()))
                request.Content?.Headers.TryAddWithoutValidation(name, values.ToArray());
        return _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, http.RequestAborted);
    }

    private static async Task GiveBackAsync(HttpContext http, HttpResponseMessage answer, int? most)
    {
        http.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers))
            if (!name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase) && !name.Equals("Connection", StringComparison.OrdinalIgnoreCase))
                http.Response.Headers[name] = values.ToArray();
        var content = await answer.Content.ReadAsByteArrayAsync(http.RequestAborted);
        // Fewer than announced: the server closes the connection behind them.
        if (http.Request.Method != "HEAD" && content.Length > 0)
            await http.Response.Body.WriteAsync(content.AsMemory(0, Math.Min(content.Length, most ?? content.Length)), http.RequestAborted);
    }

    private static Task ErrorAsync(HttpContext http, int status, string code)
    {
        http.Response.StatusCode = status;
        http.Response.Headers["x-ms-error-code"] = code;
        http.Response.Headers["x-ms-request-id"] = "REQUEST1";
        if (http.Request.Method == "HEAD")
            return Task.CompletedTask;
        http.Response.ContentType = "application/xml";
        return http.Response.WriteAsync($"<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{code} of the test's proxy</Message></Error>");
    }
}
